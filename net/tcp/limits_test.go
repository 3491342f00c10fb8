package tcp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"

	"odradek/core"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/net/wire"
)

// Each connection closed for a cause gives one line: who, what was wrong, what to do.
func TestCausesGiveOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   Config
		act   func(b *fakeBroker, c *client)
		words []string
	}{
		"http": {Config{}, func(_ *fakeBroker, c *client) { _, _ = c.nc.Write([]byte("GET / HTTP/1.1\r\n\r\n")) },
			[]string{"bad frame", "104857600", "HTTP begins", "TLS or HTTP"}},
		"tls": {Config{}, func(_ *fakeBroker, c *client) { _, _ = c.nc.Write([]byte{0x16, 3, 1, 2, 0, 1, 0, 1}) },
			[]string{"bad frame", "TLS begins"}},
		"large": {Config{FrameMax: 1000}, func(_ *fakeBroker, c *client) { c.send(1, produce(2000, 1)) },
			[]string{"bad frame", "to 1000", "socket.request.max.bytes"}},
		"key": {Config{}, func(_ *fakeBroker, c *client) { c.send(1, kmsg.NewPtrJoinGroupRequest()) },
			[]string{"Api11", "does not serve", "client"}},
		"idle": {Config{Idle: 20 * time.Millisecond}, func(*fakeBroker, *client) {}, []string{"no traffic", "connections.max.idle.ms"}},
		"half a frame": {Config{Idle: 20 * time.Millisecond}, func(_ *fakeBroker, c *client) { _, _ = c.nc.Write([]byte{0, 0, 0, 50, 0}) },
			[]string{"no traffic"}},
		"acks=0": {Config{}, func(b *fakeBroker, c *client) {
			b.answer = func(req *core.Request) { b.produced(req, errcode.NotLeaderOrFollower) }
			c.send(1, produce(10, 0))
		}, []string{"acks=0", "t-0", "NOT_LEADER_OR_FOLLOWER"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, log := start(t, c.cfg, 0)
			cl := dial(t, b.server)
			c.act(b, cl)
			cl.closes()
			log.expect(t, append(c.words, "peer=127.0.0.1:", "listener=PLAINTEXT", "hint=")...)
			eventually(t, "EvConnClosed", func() bool { _, ok := b.closed.Load(core.ConnID(1)); return ok })
			if n := b.server.Connections()["PLAINTEXT"]; n != 0 {
				t.Errorf("%d connections are still counted", n)
			}
		})
	}
}

func TestLeavingPeerGivesNoLine(t *testing.T) {
	b, log := start(t, Config{}, 0)
	c := dial(t, b.server)
	c.send(1, metadata())
	_, _, _ = c.receive(metadata())
	_ = c.nc.Close()
	eventually(t, "EvConnClosed", func() bool { _, ok := b.closed.Load(core.ConnID(1)); return ok })
	if l := log.all(); len(l) != 0 {
		t.Error(l)
	}
}

func TestIdleDoesNotCutWaitingRequests(t *testing.T) {
	b, log := start(t, Config{Idle: 20 * time.Millisecond}, 0)
	b.answer = func(req *core.Request) {
		time.AfterFunc(120*time.Millisecond, func() { b.produced(req, errcode.None) })
	}
	c := dial(t, b.server)
	c.send(1, produce(10, 1))
	if _, _, err := c.receive(produce(0, 1)); err != nil {
		t.Fatal(err, log.all())
	}
}

func TestConnectionLimits(t *testing.T) {
	for name, cfg := range map[string]Config{"raise max.connections": {MaxConnections: 2}, "raise max.connections.per.ip": {MaxConnectionsPerIP: 2},
		"limit of open files":                        {MaxSockets: 2},
		"raise its max.connections.per.ip.overrides": {MaxConnectionsPerIP: 1, PerIP: map[string]int{"127.0.0.1": 2, "10.0.0.7": 1}}} {
		t.Run(name, func(t *testing.T) {
			b, log := start(t, cfg, 0)
			first, second := dial(t, b.server), dial(t, b.server)
			for _, c := range []*client{first, second} {
				c.send(1, metadata())
				if _, _, err := c.receive(metadata()); err != nil {
					t.Fatal(err)
				}
			}
			dial(t, b.server).closes()
			log.expect(t, "2 connections", name, "peer=127.0.0.1:")
			_ = first.nc.Close()
			eventually(t, "room", func() bool { return b.server.Connections()["PLAINTEXT"] == 1 })
			again := dial(t, b.server)
			again.send(1, metadata())
			if _, _, err := again.receive(metadata()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Over the budget nobody begins a new frame; whoever has begun finishes; released bytes let everybody go on.
func TestBudgetStopsReading(t *testing.T) {
	b, _ := start(t, Config{}, 100_000)
	var held []*core.Request
	arrived := make(chan *core.Request, 10)
	b.answer = func(req *core.Request) { arrived <- req }
	for i := range 2 { // 2 × 64 KiB: over the budget with the second
		c := dial(t, b.server)
		c.send(int32(i), produce(60_000, 1))
		held = append(held, <-arrived)
	}
	third := dial(t, b.server)
	third.send(9, produce(10, 1))
	eventually(t, "waiter", func() bool { return b.frames.waiting() >= 1 })
	time.Sleep(30 * time.Millisecond)
	if len(arrived) != 0 {
		t.Fatal("read beyond the budget")
	}
	b.produced(held[0], errcode.None)
	b.produced(<-arrived, errcode.None)
	if _, _, err := third.receive(produce(0, 1)); err != nil {
		t.Error(err)
	}
	b.produced(held[1], errcode.None)
}

// Nodes reach one another whatever clients do: neither their number, nor how fast they come, nor the memory that their requests take keeps a node out.
func TestInside(t *testing.T) {
	b, _ := start(t, Config{MaxConnections: 1, MaxConnectionsPerIP: 1, CreationRate: 1, Inside: []string{"INSIDE"}}, 50_000)
	if err := b.server.Add([]string{"INSIDE://127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	arrived := make(chan *core.Request, 1)
	answer := b.answer
	b.answer = func(req *core.Request) {
		if req.Produce != nil {
			arrived <- req
			return
		}
		answer(req)
	}
	first := dial(t, b.server)
	first.send(1, produce(60_000, 1)) // over the budget until it is answered
	held := <-arrived
	began := time.Now()
	for i := range 5 {
		nc, err := net.Dial("tcp", b.server.Endpoints()[1].Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
		node := &client{t: t, nc: nc}
		node.send(int32(i), metadata())
		if _, _, err := node.receive(metadata()); err != nil {
			t.Fatalf("node %d is kept out: %v", i, err)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("five nodes took %v", took)
	}
	b.produced(held, errcode.None)
	if _, _, err := first.receive(produce(0, 1)); err != nil {
		t.Error(err)
	}
	dial(t, b.server).closes() // one client too many, as before
}

func TestShutdownWaitsForReplies(t *testing.T) {
	b, log := start(t, Config{}, 0)
	arrived := make(chan *core.Request, 10)
	b.answer = func(req *core.Request) { arrived <- req }
	c, idle := dial(t, b.server), dial(t, b.server)
	c.send(1, produce(10, 1))
	req := <-arrived
	done := make(chan error)
	go func() { done <- b.server.Shutdown(context.Background()) }()
	idle.closes()
	select {
	case err := <-done:
		t.Fatal("Shutdown did not wait", err)
	case <-time.After(20 * time.Millisecond):
	}
	if _, err := net.Dial("tcp", b.server.Endpoints()[0].Addr.String()); err == nil {
		t.Error("still accepting")
	}
	b.produced(req, errcode.None)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if corr, _, err := c.receive(produce(0, 1)); err != nil || corr != 1 {
		t.Error("the reply in flight is lost:", err)
	}
	if l := log.all(); len(l) != 0 {
		t.Error(l)
	}
}

func TestShutdownGivesUp(t *testing.T) {
	b, _ := start(t, Config{}, 0)
	arrived := make(chan *core.Request, 1)
	b.answer = func(req *core.Request) { arrived <- req }
	c := dial(t, b.server)
	c.send(1, metadata())
	<-arrived
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if err := b.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	c.closes()
}

// emfile fails a few times, as accept does when descriptors run out.
type emfile struct {
	net.Listener
	left atomic.Int32
}

func (l *emfile) Accept() (net.Conn, error) {
	if l.left.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestAcceptBacksOff(t *testing.T) {
	b := &fakeBroker{t: t, frames: NewFrames(0, true)}
	log := new(logLines)
	s, err := Listen(Config{Listeners: []string{"PLAINTEXT://127.0.0.1:0"}, Log: slog.New(slog.NewTextHandler(log, nil))}, b)
	if err != nil {
		t.Fatal(err)
	}
	l := &emfile{Listener: s.listeners[0].Listener}
	l.left.Store(4)
	s.listeners[0].Listener = l
	b.server = s
	b.answer = func(req *core.Request) { b.produced(req, errcode.None) }
	began := time.Now()
	s.Serve()
	c := dial(t, s)
	c.send(1, produce(1, 1))
	if _, _, err := c.receive(produce(0, 1)); err != nil {
		t.Fatal(err)
	}
	if time.Since(began) < 70*time.Millisecond { // 5 + 10 + 20 + 40
		t.Error("no pause between failed accepts")
	}
	log.expect(t, "ulimit -n", "too many open files")
	_ = c.nc.Close()
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestListenErrors(t *testing.T) {
	for text, want := range map[string]string{"127.0.0.1:9092": "NAME://host:port", "PLAINTEXT://127.0.0.1": "missing port",
		"PLAINTEXT://127.0.0.1:99999": "invalid port"} {
		if _, err := Listen(Config{Listeners: []string{"PLAINTEXT://:0", text}}, &fakeBroker{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestFramesCount(t *testing.T) {
	p := NewFrames(0, true)
	buf, id := p.Get(5000)
	if len(buf) < 5000 || p.InUse() != int64(len(buf)) {
		t.Fatal(len(buf), p.InUse())
	}
	buf[0] = 1
	p.Retain(id)
	p.Release(id)
	if buf[0] != 1 {
		t.Fatal("returned while held")
	}
	p.Release(id)
	if buf[0] != 0xDB || p.InUse() != 0 {
		t.Fatal("not poisoned, or not given back", buf[0], p.InUse())
	}
	again, id2 := p.Get(5000)
	if &again[0] != &buf[0] || id2 == id {
		t.Error("the buffer was not used again under a new id")
	}
	for name, misuse := range map[string]func(){
		"release twice": func() { p.Release(id) }, "retain a stale id": func() { p.Retain(id) },
		"no frame": func() { p.Release(record.NoFrame) }, "unknown": func() { p.Release(1 << 20) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			misuse()
		}()
	}
	p.Release(id2)
	if huge, id := p.Get(40 << 20); len(huge) != 40<<20 {
		t.Error(len(huge))
	} else {
		p.Release(id)
	}
	if n := testing.AllocsPerRun(100, func() { _, id := p.Get(60_000); p.Release(id) }); n > 0 {
		t.Errorf("%v allocations per frame", n)
	}
}

// One connection, 32 produces of 16 KiB in flight, answered at once.
func BenchmarkProduce(b *testing.B) {
	frames := NewFrames(0, false)
	br := &fakeBroker{frames: frames}
	br.answer = func(req *core.Request) { br.produced(req, errcode.None) }
	s, err := Listen(Config{Listeners: []string{"PLAINTEXT://127.0.0.1:0"}}, br)
	if err != nil {
		b.Fatal(err)
	}
	br.server = s
	s.Serve()
	nc, err := net.Dial("tcp", s.Endpoints()[0].Addr.String())
	if err != nil {
		b.Fatal(err)
	}
	one := wire.AppendRequest(nil, 1, "bench", produce(16<<10, 1))
	many := bytes.Repeat(one, 32)
	answer := make([]byte, 32*55)
	b.SetBytes(int64(len(many)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := nc.Write(many); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < 32*sizeOfAnswer; {
			n, err := nc.Read(answer)
			if err != nil {
				b.Fatal(err)
			}
			got += n
		}
	}
	_ = nc.Close()
	_ = s.Shutdown(b.Context())
}

// sizeOfAnswer is a Produce response of one partition of the topic "t", in bytes.
const sizeOfAnswer = 4 + 48

// Sockets have the buffers that are configured; where nothing is, the system decides. Linux doubles what it is asked for.
func TestSocketBuffers(t *testing.T) {
	const size = 50_000
	for _, c := range []struct {
		cfg           Config
		receive, send bool
	}{{Config{}, false, false}, {Config{ReceiveBuffer: -1, SendBuffer: size}, false, true}, {Config{ReceiveBuffer: size, SendBuffer: -1}, true, false}} {
		b, _ := start(t, c.cfg, 0)
		dial(t, b.server)
		eventually(t, "connection", func() bool { n := 0; b.server.each(func(*conn) { n++ }); return n == 1 })
		b.server.each(func(cn *conn) {
			for option, want := range map[int]bool{unix.SO_RCVBUF: c.receive, unix.SO_SNDBUF: c.send} { // any order: each by itself
				if got, err := unix.GetsockoptInt(cn.fd, unix.SOL_SOCKET, option); err != nil || (got == 2*size) != want {
					t.Errorf("%+v: option %d is %d, %v", c, option, got, err)
				}
			}
		})
	}
}
