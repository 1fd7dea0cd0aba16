package etcd

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/grpclog"

	"tandem/internal/secret"
)

// A member is one endpoint and the connection to it.
type member struct {
	endpoint string
	// place is where it stands in the cluster's list.
	place  int64
	client *clientv3.Client
	// kv, leases and maintenance speak over client's connection, without its habit of waiting until a dead member returns.
	kv          clientv3.KV
	leases      etcdserverpb.LeaseClient
	maintenance etcdserverpb.MaintenanceClient
	login       login
	// failing: the last request got no answer.
	failing atomic.Bool
}

// connect prepares the connection to one endpoint. Nothing is sent yet.
func connect(endpoint string, o Options, config *tls.Config) (*member, error) {
	m := &member{endpoint: endpoint, login: login{name: o.Username, password: o.Password, turn: make(chan struct{}, 1)}}
	var err error
	m.client, err = clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint},
		TLS:       config,
		Logger:    zap.NewNop(), // what is worth saying is said by cluster
		// One try for each request, so none again: see "Unknown results" in the package's doc. (0 would mean 100.)
		MaxUnaryRetries: 1,
		// etcd's members refuse clients that ask more often than every 5 s; gRPC asks at most every 10 s.
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 3 * time.Second,
		DialOptions: []grpc.DialOption{
			grpc.WithPerRPCCredentials(&m.login),
			grpc.WithNoProxy(), // the environment has no say in where passwords and codes go
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
				MinConnectTimeout: time.Second,
			}),
		},
	})
	if err != nil {
		return nil, err
	}
	connection := m.client.ActiveConnection()
	m.kv = clientv3.NewKVFromKVClient(etcdserverpb.NewKVClient(connection), nil)
	m.leases = etcdserverpb.NewLeaseClient(connection)
	m.maintenance = etcdserverpb.NewMaintenanceClient(connection)
	return m, nil
}

// A login is who we are to one member, and the token that proves it.
type login struct {
	name     string
	password secret.String
	token    atomic.Pointer[string] // nil: none yet, or no longer
	// turn is held while a token is fetched: members hash passwords slowly, on purpose.
	turn chan struct{}
}

// GetRequestMetadata implements gRPC's credentials.PerRPCCredentials.
func (l *login) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token := l.token.Load()
	if token == nil {
		return nil, nil
	}
	return map[string]string{rpctypes.TokenFieldNameGRPC: *token}, nil
}

// RequireTransportSecurity implements gRPC's credentials.PerRPCCredentials. Options are stricter.
func (*login) RequireTransportSecurity() bool { return false }

// authenticate fetches a token, unless there is one or none is needed.
func (m *member) authenticate(ctx context.Context) error {
	l := &m.login
	if l.name == "" || l.token.Load() != nil {
		return nil
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if l.token.Load() != nil {
		return nil
	}
	reply, err := etcdserverpb.NewAuthClient(m.client.ActiveConnection()).Authenticate(ctx,
		&etcdserverpb.AuthenticateRequest{Name: l.name, Password: l.password.Reveal()})
	if err != nil {
		return rpctypes.Error(err)
	}
	l.token.Store(&reply.Token)
	return nil
}

// gRPC has one logger for the whole process, to be set before gRPC is used. Its warnings tell of every
// attempt to connect, of which cluster says what matters; its errors are rare, and are kept as warnings.
func init() {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, grpcErrors{}))
}

type grpcErrors struct{}

func (grpcErrors) Write(line []byte) (int, error) {
	slog.Warn("gRPC, the transport of the etcd client, reports an error", "text", string(line))
	return len(line), nil
}
