package etcd

import (
	"context"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"tandem/store"
)

// noSpaceRemedy is what to do when etcd's quota (--quota-backend-bytes) is used up: it then takes no writes, from
// nobody, until somebody says that there is space again.
const noSpaceRemedy = "etcd's space is used up, and it takes no writes: compact it, defragment each member, " +
	"then `etcdctl alarm disarm` (docs/cluster.md)"

// alarms returns an error if the cluster has raised an alarm: then reading goes well, and every commit fails. All members
// know of all alarms, so one is asked.
func (s *Store) alarms(ctx context.Context) error {
	var raised []string
	if err := s.cluster.ask(ctx, func(ctx context.Context, m *member) error {
		reply, err := m.maintenance.Status(ctx, &etcdserverpb.StatusRequest{})
		if err == nil {
			raised = alarmsOf(reply)
		}
		return err
	}); err != nil {
		return s.cluster.unavailable("ask for alarms", err)
	}
	if len(raised) == 0 {
		return nil
	}
	remedy := "see `etcdctl alarm list`"
	if strings.Contains(strings.Join(raised, " "), "NOSPACE") {
		remedy = noSpaceRemedy
	}
	return fmt.Errorf("%w: etcd at %s has raised an alarm: %s; %s", store.ErrUnavailable, s.cluster.endpoints(), strings.Join(raised, ", "), remedy)
}

// alarmsOf picks the alarms out of what a member reports as errors: "memberID:… alarm:NOSPACE".
func alarmsOf(reply *etcdserverpb.StatusResponse) (raised []string) {
	for _, text := range reply.Errors {
		if _, alarm, found := strings.Cut(text, "alarm:"); found {
			raised = append(raised, strings.TrimSpace(alarm))
		}
	}
	return raised
}
