package runtime

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"odradek/core/config"
	"odradek/net/tcp"
)

// listen binds the controller's sockets: other nodes reach this one while it starts. The brokers' listeners are added when it serves, so clients that connect find a
// node that does; before that they are refused, and ask another one.
func (n *Node) listen(sockets int) error {
	perIP, err := resolve(n.cfg.PerIP)
	if err != nil {
		return err
	}
	var controllers []string
	for _, l := range n.cfg.Controllers {
		controllers = append(controllers, l.Name)
	}
	inside := controllers
	if len(n.cfg.Listeners) > 1 { // the only one is the clients', too
		inside = append(slices.Clone(controllers), n.cfg.InterBroker)
	}
	n.server, err = tcp.Listen(tcp.Config{Heavy: &n.heavy, Listeners: addresses(n.cfg.Controllers), Controllers: controllers, Inside: inside, FrameMax: int(n.cfg.RequestMaxBytes),
		ReceiveBuffer: n.cfg.SocketReceive, SendBuffer: n.cfg.SocketSend,
		MaxConnections: n.cfg.MaxConnections, MaxConnectionsPerIP: n.cfg.MaxConnectionsPerIP, PerIP: perIP, MaxSockets: sockets, CreationRate: n.cfg.ConnectionRate,
		Idle: time.Duration(min(n.cfg.MaxIdleMs, maxIdleMs)) * time.Millisecond, Log: n.log}, n)
	return err
}

func addresses(listeners []config.Listener) (out []string) {
	for _, l := range listeners {
		out = append(out, fmt.Sprintf("%s://%s:%d", l.Name, bracket(l.Host), l.Port))
	}
	return out
}

// maxIdleMs keeps connections.max.idle.ms within what a Duration holds: a hundred years.
const maxIdleMs = 100 * 365 * 24 * 3600 * 1000

// resolveTimeout bounds the look-up of a name.
const resolveTimeout = 10 * time.Second

// resolve turns the names of max.connections.per.ip.overrides into addresses, once, as Kafka does.
func resolve(limits []config.HostLimit) (map[string]int, error) {
	out := map[string]int{}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	for _, l := range limits {
		if ip := net.ParseIP(l.Host); ip != nil {
			out[ip.String()] = l.Most
			continue
		}
		addresses, err := net.DefaultResolver.LookupHost(ctx, l.Host)
		if err != nil {
			return nil, fmt.Errorf("max.connections.per.ip.overrides: %w", err)
		}
		for _, a := range addresses {
			out[a] = l.Most
		}
	}
	return out, nil
}
