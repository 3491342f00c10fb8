package cli

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"odradek/clientlib"
	"odradek/clientlib/proto"
)

// connect makes a client. Nothing is dialled yet.
func (f *common) connect(cmd *cobra.Command) (*session, error) {
	if err := f.output.check(); err != nil {
		return nil, err
	}
	cfg, err := parseSettings(f.settings)
	if err != nil {
		return nil, err
	}
	s := &session{cmd: cmd, config: cfg, output: f.output}
	c := &cfg.client
	c.Bootstrap = f.bootstrap
	if c.Timeout == 0 || cmd.Flags().Changed("timeout") {
		c.Timeout = f.timeout
	}
	if c.TLS, err = cfg.tls.config(); err != nil {
		return nil, err
	}
	first := &firstContact{s: s, left: map[string]bool{}}
	for address := range strings.SplitSeq(f.bootstrap, ",") {
		first.left[strings.TrimSpace(address)] = true
	}
	c.Dial = first.dial
	if s.client, err = clientlib.New(*c); err != nil {
		return nil, usage{err}
	}
	return s, nil
}

// firstContact ends a command at once when every broker that it was given refuses: waiting for one to come is for applications.
type firstContact struct {
	s    *session
	mu   sync.Mutex
	left map[string]bool // addresses of --bootstrap of which nothing is known
	met  bool
}

func (f *firstContact) dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.met = true
		return conn, nil
	}
	var unknown *net.DNSError
	if errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &unknown) && unknown.IsNotFound {
		delete(f.left, address)
	}
	if !f.met && len(f.left) == 0 && f.s.giveUp != nil {
		f.s.giveUp(&proto.Error{Op: "connecting", Partition: -1, Cause: errors.Join(proto.ErrUnreachable), Hint: err.Error() +
			"; is the broker running there? odradek serve starts one, --bootstrap HOST:PORT names another"})
	}
	return nil, err
}
