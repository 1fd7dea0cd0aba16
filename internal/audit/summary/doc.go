// Package summary reads the audit and says what happened: who got in and how, who did not and why, who is
// shut out, what was slow.
//
// It reads every line once and keeps counts, not lines, so that a year of logins takes no more memory than a
// day. What strangers can make many of (names, sources) is counted by a bounded [top] or kept as a bounded
// set; where a bound was reached, the [Summary] says so instead of showing less.
//
// The audit may be written to while it is read, rotated meanwhile, and cut off by a full disk: a line that
// cannot be read is counted and passed over, and a last line without its end has not been acknowledged to
// anybody, so it does not count at all.
//
// Names that the directory does not have are counted, but never shown: people type passwords into the wrong field.
package summary
