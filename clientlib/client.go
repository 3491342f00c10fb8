// Package clientlib is a Kafka client: it speaks the protocol to Odradek as to Apache Kafka 2.1 and later. What it decides is decided in clientlib/proto, a pure
// machine that the simulator drives too; here are its goroutines, sockets and contexts.
package clientlib

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
	"odradek/net/codec"
)

// Config is what a Client is made from.
type Config struct {
	Bootstrap string        // bootstrap.servers: host:port, host:port, …
	ClientID  string        // client.id; empty: odradek
	Timeout   time.Duration // default.api.timeout.ms: for an operation with all its tries; 0: a minute. A context ends it sooner
	TLS       *tls.Config   // nil: plain. ServerName is taken from the address if it is empty
	// Dial opens connections; nil: TCP. TLS, if any, goes over them.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Proto holds the rest: timeouts, pauses, limits. Bootstrap, ClientID, Seed and Codec of it are set from here.
	Proto proto.Config
}

const defaultTimeout = time.Minute

// Client is a connection to a cluster: as many connections as it needs, made when they are needed. It may be used by any number of goroutines.
type Client struct {
	timeout time.Duration
	dial    func(ctx context.Context, address string) (net.Conn, error)
	began   time.Time
	ctx     context.Context // of dialling
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	machine  *proto.Client
	conns    map[proto.LinkID]*conn
	waiting  map[uint64]chan proto.Completion
	producer *Producer
	consumer *Consumer
	timer    *time.Timer
	closed   bool
}

// New returns a client. It connects when it is first asked for something: an unreachable cluster is no error here.
func New(cfg Config) (*Client, error) {
	p := cfg.Proto
	for address := range strings.SplitSeq(cfg.Bootstrap, ",") {
		if address = strings.TrimSpace(address); address == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, &proto.Error{Op: "bootstrap.servers " + address, Partition: -1, Cause: err, Hint: "want HOST:PORT, such as 127.0.0.1:9092"}
		}
		p.Bootstrap = append(p.Bootstrap, address)
	}
	if len(p.Bootstrap) == 0 {
		return nil, &proto.Error{Op: "bootstrap.servers", Partition: -1, Cause: errors.New("no address"), Hint: "want HOST:PORT, such as 127.0.0.1:9092"}
	}
	var seed [8]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, err
	}
	p.ClientID, p.Seed, p.Codec = cfg.ClientID, binary.LittleEndian.Uint64(seed[:]), new(codec.Codec)
	c := &Client{timeout: cfg.Timeout, dial: dialer(cfg.TLS, cfg.Dial), began: time.Now(), machine: proto.NewClient(p), conns: map[proto.LinkID]*conn{},
		waiting: map[uint64]chan proto.Completion{}}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.timer = time.AfterFunc(time.Hour, c.tick)
	c.timer.Stop()
	return c, nil
}

// dialer opens connections with dial, and speaks TLS over them if secure says how.
func dialer(secure *tls.Config, dial func(ctx context.Context, address string) (net.Conn, error)) func(ctx context.Context, address string) (net.Conn, error) {
	if dial == nil {
		var d net.Dialer
		dial = func(ctx context.Context, address string) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
	}
	if secure == nil {
		return dial
	}
	return func(ctx context.Context, address string) (net.Conn, error) {
		plain, err := dial(ctx, address)
		if err != nil {
			return nil, err
		}
		c := secure.Clone()
		if c.ServerName == "" {
			c.ServerName, _, _ = net.SplitHostPort(address)
		}
		conn := tls.Client(plain, c)
		if err := conn.HandshakeContext(ctx); err != nil {
			plain.Close()
			return nil, err
		}
		return conn, nil
	}
}

// Close ends the client: its connections are closed, and what waits fails with proto.ErrClosed. Callbacks of records that were not delivered are called with that
// error, perhaps after Close has returned: Flush first. It may be called in a callback, and more than once.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.cancel()
	c.timer.Stop()
	for _, k := range c.conns { // any order: all are closed
		k.close()
	}
	for id, waiting := range c.waiting { // any order: all are told
		waiting <- proto.Completion{ID: id, Err: closedError}
		delete(c.waiting, id)
	}
	if p := c.producer; p != nil {
		p.calls.abandon(closedError)
	}
	c.mu.Unlock()
	c.running.Wait()
}

var closedError = &proto.Error{Op: "client", Partition: -1, Cause: proto.ErrClosed}

func (c *Client) now() int64 { return int64(time.Since(c.began)) }

// written gives memory back that went out.
func (c *Client) written(list [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range list {
		c.machine.Reuse(p)
	}
}

func (c *Client) tick() {
	c.step(func(m *proto.Client, now int64) { m.Tick(now) })
}

// step lets the machine do something, and carries out what it wants then.
func (c *Client) step(do func(m *proto.Client, now int64)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	do(c.machine, c.now())
	c.carryOut()
}

// carryOut does what the machine wants. The caller holds mu.
func (c *Client) carryOut() {
	fx := c.machine.Take()
	for _, id := range fx.Close {
		if k := c.conns[id]; k != nil {
			k.close()
			delete(c.conns, id)
		}
	}
	for _, d := range fx.Dial {
		k := newConn(c, d.Link)
		c.conns[d.Link] = k
		c.running.Add(1)
		go k.run(d.Address)
	}
	for _, w := range fx.Write {
		if k := c.conns[w.Link]; k != nil {
			k.write(w.Bytes)
		}
	}
	for _, done := range fx.Done {
		if waiting := c.waiting[done.ID]; waiting != nil {
			waiting <- done
			delete(c.waiting, done.ID)
		}
	}
	if c.producer != nil {
		c.producer.delivered(fx.Delivered)
	}
	if c.consumer != nil {
		c.consumer.took(fx.Moved)
		c.consumer.wake()
	}
	if at, ok := c.machine.Deadline(); ok {
		c.timer.Reset(time.Duration(at - c.now()))
	} else {
		c.timer.Stop()
	}
}

// Operation is a request to a cluster, tried until it is answered or its time is over.
type Operation struct {
	Request    kmsg.Request                     // its version is chosen: the highest that both sides know
	Target     proto.Target                     // who is to answer
	MaxVersion int16                            // 0: the highest that kmsg knows
	Refused    func(kmsg.Response) errcode.Code // see proto.Operation
}

// Do sends a request and waits for its answer. Errors are of type *proto.Error, or ctx's.
func (c *Client) Do(ctx context.Context, o Operation) (kmsg.Response, error) {
	resp, _, err := c.DoFrom(ctx, o)
	return resp, err
}

// DoFrom is Do, and names the broker that answered.
func (c *Client) DoFrom(ctx context.Context, o Operation) (resp kmsg.Response, broker string, err error) {
	if o.MaxVersion == 0 {
		o.MaxVersion = -1
	}
	timeout := c.timeout
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(end))
	}
	done := make(chan proto.Completion, 1)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, "", closedError
	}
	id := c.machine.Do(c.now(), proto.Operation{Request: o.Request, Target: o.Target, MaxVersion: o.MaxVersion, Timeout: int64(timeout), Refused: o.Refused})
	c.waiting[id] = done
	c.carryOut()
	c.mu.Unlock()
	select {
	case d := <-done:
		return d.Response, d.Broker, d.Err
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case d := <-done: // the machine knows better why
		return d.Response, d.Broker, d.Err
	default:
	}
	c.machine.Cancel(id)
	delete(c.waiting, id)
	return nil, "", ctx.Err()
}
