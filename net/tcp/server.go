// Package tcp puts net/wire's connection machine behind real sockets. It holds goroutines, clocks and system calls, and decides nothing: what is
// read next, what may be sent and in which order is wire.Conn's.
//
// A loop reads all connections in rounds and gives the core what a round brought as one piece. What would hold others up leaves the loop: a connection that
// must wait for something, and a request that may take long, are a goroutine's until nothing is left but to wait for bytes (see conn). Replies are written by
// whoever brings them, as far as the socket takes them at once; the rest waits until the poll set tells that it takes more, and is written by a goroutine. While
// responses wait, nothing more is read.
package tcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"odradek/core"
	"odradek/disk/vfs"
	"odradek/net/wire"
)

// Broker is what stands behind the connections.
type Broker interface {
	// Env is what requests are decoded by now: the committed image and the functions over it. It is called for each request.
	Env() *wire.Env
	// Submit hands events to the core, in this order; it may run Steps, and so Reply, on this goroutine. The slice is the caller's again when it returns. With a
	// Request whose Frame is not NoFrame it passes on one reference to that frame: the broker releases it after the Step, having retained the frame for each
	// batch in an Append effect.
	Submit(events []core.Event)
	// Frames is the pool of Produce frames: always the same.
	Frames() *Frames
}

// Pin keeps the file behind an extent open.
type Pin interface {
	File() vfs.File
	Off() int64 // where the extent begins in the file
	Len() int64
	Release()
}

// Config is what a server is told. Zero values stand for the defaults in brackets.
type Config struct {
	Listeners           []string       // NAME://host:port; the host may be empty, the port 0
	Controllers         []string       // names of the controller's listeners: they serve its keys
	Inside              []string       // names of listeners that nodes use among themselves: limits for the sake of clients do not stop them
	FrameMax            int            // socket.request.max.bytes [wire.DefaultFrameMax]
	ReceiveBuffer       int            // socket.receive.buffer.bytes; below 1 the system decides
	SendBuffer          int            // socket.send.buffer.bytes, likewise. What is sent of a file stays in the processor's cache if it is not much at a time
	MaxConnections      int            // max.connections [no limit]
	MaxConnectionsPerIP int            // max.connections.per.ip [no limit]
	PerIP               map[string]int // max.connections.per.ip.overrides: of these addresses
	MaxSockets          int            // what the process's limit of open files leaves for connections [no limit]
	CreationRate        int            // max.connection.creation.rate: connections taken in a second [no limit]
	Idle                time.Duration  // connections.max.idle.ms [10 minutes]
	QueueMax            int64          // bytes of responses that a connection's peer may leave unread [16 MiB]
	UnreadMax           int64          // the same, of all connections together [256 MiB]
	Heavy               *Turn          // for requests that cost much: shared with whatever else does [its own]
	Log                 *slog.Logger   // [slog.Default()]
}

const (
	defaultIdle   = 10 * time.Minute
	defaultQueue  = 16 << 20
	defaultUnread = 256 << 20
)

// Server listens and holds the connections.
type Server struct {
	cfg        Config
	broker     Broker
	lines      lines
	pace       pace
	stallAfter time.Duration
	unread     atomic.Int64 // bytes of all connections' queues
	extents    extents
	listeners  []listener
	lastID     atomic.Uint64
	loops      []*loop
	heavies    atomic.Uint64  // connections that have become heavy
	conns      sync.WaitGroup // connections, and goroutines that write what is left
	ended      chan struct{}  // closed when Shutdown has ended the connections
	accepting  sync.WaitGroup
	stop       chan struct{} // closed when Shutdown begins
	stopOnce   sync.Once
	endOnce    sync.Once

	mu     sync.RWMutex
	byID   map[core.ConnID]*conn
	perIP  map[string]int // of clients
	inside int            // of byID, those of nodes among themselves

	latencies [apiKeys]atomic.Pointer[Latency]
}

type listener struct {
	name string
	net.Listener
}

// ParseListener splits NAME://host:port.
func ParseListener(s string) (name, address string, err error) {
	name, address, ok := strings.Cut(s, "://")
	if !ok || name == "" {
		return "", "", fmt.Errorf("listener %q: want NAME://host:port, as in PLAINTEXT://127.0.0.1:9092", s)
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return "", "", fmt.Errorf("listener %q: %w", s, err)
	}
	return name, address, nil
}

// Listen binds the listeners; connections are accepted once Serve is called. An error names the listener, and none stays bound.
func Listen(cfg Config, broker Broker) (*Server, error) {
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, broker: broker, stop: make(chan struct{}), byID: map[core.ConnID]*conn{}, perIP: map[string]int{}}
	s.lines.init(cfg.Log)
	s.pace.rate, s.stallAfter = cfg.CreationRate, stallAfter
	s.ended = make(chan struct{})
	for range runtime.GOMAXPROCS(0) {
		l, err := newLoop(s)
		if err != nil {
			s.closeLoops()
			return nil, err
		}
		s.loops = append(s.loops, l)
	}
	var err error
	if s.listeners, err = bind(cfg.Listeners); err != nil {
		s.closeLoops()
		return nil, err
	}
	return s, nil
}

func bind(texts []string) (bound []listener, err error) {
	for _, text := range texts {
		name, address, err := ParseListener(text)
		var l net.Listener
		if err == nil {
			l, err = net.Listen("tcp", address)
		}
		if err != nil {
			closeAll(bound)
			return nil, fmt.Errorf("listener %s: %w", text, err)
		}
		bound = append(bound, listener{name, l})
	}
	return bound, nil
}

// Add binds further listeners and accepts there at once. It is called after Serve; an error leaves everything as it was.
func (s *Server) Add(texts []string) error {
	bound, err := bind(texts)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stop:
		closeAll(bound)
		return errors.New("the node is stopping")
	default:
	}
	s.listeners = append(s.listeners, bound...)
	s.acceptOn(bound)
	return nil
}

func (cfg Config) withDefaults() Config {
	if cfg.FrameMax == 0 {
		cfg.FrameMax = wire.DefaultFrameMax
	}
	for _, limit := range []*int{&cfg.MaxConnections, &cfg.MaxConnectionsPerIP, &cfg.MaxSockets, &cfg.CreationRate} {
		if *limit == 0 {
			*limit = math.MaxInt
		}
	}
	if cfg.Idle == 0 {
		cfg.Idle = defaultIdle
	}
	if cfg.QueueMax == 0 {
		cfg.QueueMax = defaultQueue
	}
	if cfg.UnreadMax == 0 {
		cfg.UnreadMax = defaultUnread
	}
	if cfg.Heavy == nil {
		cfg.Heavy = new(Turn)
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return cfg
}

// Endpoint is one listener as it is bound.
type Endpoint struct {
	Listener string
	Addr     net.Addr
}

// Endpoints lists the listeners in the order of Config.
func (s *Server) Endpoints() []Endpoint {
	var out []Endpoint
	for _, l := range s.bound() {
		out = append(out, Endpoint{l.name, l.Addr()})
	}
	return out
}

// Serve starts accepting and returns at once.
func (s *Server) Serve() {
	s.broker.Frames().onShort(s.relieve)
	for _, l := range s.loops {
		go l.run()
	}
	go s.watchIdle(s.ended)
	s.acceptOn(s.bound())
}

func (s *Server) closeLoops() {
	for _, l := range s.loops {
		l.close()
	}
}

func (s *Server) acceptOn(listeners []listener) {
	for _, l := range listeners {
		s.accepting.Go(func() { s.accept(l) })
	}
}

// bound returns the listeners there are now.
func (s *Server) bound() []listener {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.listeners)
}

// Connections is the number of open connections by the name of their listener.
func (s *Server) Connections() map[string]int {
	out := map[string]int{}
	for _, l := range s.bound() {
		out[l.name] = 0
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, c := range s.byID { // any order: counts
		out[c.name]++
	}
	return out
}

// Replies are answers of the core that are sent together: those to one connection in one piece. One goroutine at a time uses it.
type Replies struct {
	answered []*conn
}

// Add takes an answer. It takes over the pins, one for each extent of a Fetch in the order of the reply, and releases them, whatever happens.
func (r *Replies) Add(s *Server, reply *core.Reply, pins []Pin) {
	s.mu.RLock()
	c := s.byID[reply.Conn]
	s.mu.RUnlock()
	if c == nil {
		release(pins)
	} else if c.reply(reply, pins) {
		r.answered = append(r.answered, c)
	}
}

// Send sends what was added, as far as the sockets take it at once; the rest follows by itself. It does not wait for the peers.
func (r *Replies) Send() {
	for i, c := range r.answered {
		c.answer()
		r.answered[i] = nil
	}
	r.answered = r.answered[:0]
}

func release(pins []Pin) {
	for _, p := range pins {
		p.Release()
	}
}

func closeAll(listeners []listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// Shutdown stops accepting and reading, waits until what is in flight is answered and sent, and closes. When ctx ends first the connections are
// closed as they are, and its error is returned.
func (s *Server) Shutdown(ctx context.Context) (err error) {
	s.stopOnce.Do(func() {
		close(s.stop)
		s.cfg.Heavy.Close()
	})
	closeAll(s.bound()) // Add looks at stop under mu: none is bound after this
	s.accepting.Wait()
	defer s.lines.stop()
	defer s.endOnce.Do(func() {
		close(s.ended)
		s.closeLoops()
	})
	s.each((*conn).drain)
	done := make(chan struct{})
	go func() {
		s.conns.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		s.each(func(c *conn) { c.close(fault{}) })
		<-done
	}
	return err
}

func (s *Server) each(do func(*conn)) {
	s.mu.RLock()
	all := make([]*conn, 0, len(s.byID))
	for _, c := range s.byID {
		all = append(all, c)
	}
	s.mu.RUnlock()
	for _, c := range all {
		do(c)
	}
}
