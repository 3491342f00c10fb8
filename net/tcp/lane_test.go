package tcp

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/record"
	"odradek/net/wire"
)

var laneLimits = wire.PeerLimits{QueueMax: 100, AnswerMax: 1 << 20, SetupMs: 400, BackoffMs: 10, BackoffMaxMs: 40, IdleMs: 200}

// laneTest is a Lane whose answers are waited for.
type laneTest struct {
	*Lane
	t       *testing.T
	addr    string
	mu      sync.Mutex
	answers map[core.CallID][]kmsg.Response
	changes []string
	arrived chan core.CallID
}

func newLaneTest(t *testing.T, addr string) *laneTest {
	began := time.Now()
	l := &laneTest{t: t, addr: addr, answers: map[core.CallID][]kmsg.Response{}, arrived: make(chan core.CallID, 1000)}
	frames := NewFrames(0, true)
	t.Cleanup(func() { // after Stop
		if n := frames.InUse(); n != 0 {
			t.Errorf("answers hold %d bytes", n)
		}
	})
	l.Lane = NewLane(LaneConfig{ClientID: "test", Limits: laneLimits, Frames: frames, Now: func() core.Instant { return core.Instant(time.Since(began)) },
		Answer: func(answers []wire.PeerAnswer) {
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, a := range answers {
				l.answers[a.Call] = append(l.answers[a.Call], a.Answer)
				if a.Frame != record.NoFrame {
					frames.Release(a.Frame)
				}
				l.arrived <- a.Call
			}
		},
		Changed: func(up bool, addr, reason string) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.changes = append(l.changes, fmt.Sprint(up))
		}})
	t.Cleanup(l.Stop)
	return l
}

func (l *laneTest) call(id core.CallID, timeoutMs int32) {
	l.Call(&core.Call{ID: id, Addr: l.addr, TimeoutMs: timeoutMs, Body: kmsg.NewPtrAllocateProducerIDsRequest()})
}

// ended waits for the end of n calls and returns how many have an answer.
func (l *laneTest) ended(n int, within time.Duration) (answered int) {
	l.t.Helper()
	timeout := time.After(within)
	for range n {
		select {
		case <-l.arrived:
		case <-timeout:
			l.t.Fatalf("%d calls have not ended within %v", n, within)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, a := range l.answers { // any order: counts
		if len(a) != 1 {
			l.t.Errorf("call %d ended %d times", id, len(a))
		}
		if a[0] != nil {
			answered++
		}
	}
	clear(l.answers)
	return answered
}

// other is another node: what it does with a connection is up to the test.
func other(t *testing.T, serve func(net.Conn)) (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		served.Wait()
	})
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	return listener.Addr().String()
}

// answerAll answers n requests of a connection, then returns.
func answerAll(conn net.Conn, n int) {
	in := wire.NewFrameReader(NewFrames(0, false), wire.DefaultFrameMax)
	for n > 0 {
		f, ok, err := in.Next()
		if err != nil {
			return
		}
		if !ok {
			k, err := conn.Read(in.Buffer())
			if in.Filled(k); err != nil && k == 0 {
				return
			}
			continue
		}
		n--
		resp := kmsg.RequestForKey(int16(f.Key)).ResponseKind()
		resp.SetVersion(f.Version)
		tags := []byte{0}
		if versions, ok := resp.(*kmsg.ApiVersionsResponse); ok {
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey = int16(api.AllocateProducerIDs)
			versions.ApiKeys, tags = append(versions.ApiKeys, k), nil
		}
		body := resp.AppendTo(append([]byte{byte(f.Correlation >> 24), byte(f.Correlation >> 16), byte(f.Correlation >> 8), byte(f.Correlation)}, tags...))
		out := append([]byte{0, 0, byte(len(body) >> 8), byte(len(body))}, body...)
		for _, b := range [][]byte{out[:3], out[3:]} {
			if _, err := conn.Write(b); err != nil {
				return
			}
		}
	}
}

// TestLaneServes: calls from many goroutines are answered, one after the other on one connection; an idle one is closed, and made again for the next call.
func TestLaneServes(t *testing.T) {
	var mu sync.Mutex
	made := 0
	l := newLaneTest(t, other(t, func(conn net.Conn) {
		mu.Lock()
		made++
		mu.Unlock()
		answerAll(conn, 1<<30)
	}))
	const n = 60
	var callers sync.WaitGroup
	for i := range n {
		callers.Go(func() { l.call(core.CallID(i+1), 5000) })
	}
	callers.Wait()
	if got := l.ended(n, 5*time.Second); got != n {
		t.Errorf("%d of %d calls answered", got, n)
	}
	time.Sleep(2 * time.Duration(laneLimits.IdleMs) * time.Millisecond)
	l.call(1000, 5000)
	if got := l.ended(1, 5*time.Second); got != 1 {
		t.Error("no answer after the connection was idle")
	}
	mu.Lock()
	defer mu.Unlock()
	if made != 2 {
		t.Errorf("%d connections, want 2", made)
	}
}

// TestLaneTrouble: whatever the other node does, each call ends by its time, and a node that is well again is reached.
func TestLaneTrouble(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){ // any order: each on its own
		"says nothing": func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)); time.Sleep(time.Second) },
		"answers the first only": func(conn net.Conn) {
			answerAll(conn, 1)
			time.Sleep(time.Second)
		},
		"closes at once":   func(net.Conn) {},
		"leaves after one": func(conn net.Conn) { answerAll(conn, 2) },
		"nonsense": func(conn net.Conn) {
			_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\nhello there"))
			time.Sleep(time.Second)
		},
		"zeros for ever": func(conn net.Conn) {
			for zeros := make([]byte, 1<<16); ; {
				if _, err := conn.Write(zeros); err != nil {
					return
				}
			}
		},
		"announces more than it may": func(conn net.Conn) { _, _ = conn.Write([]byte{0x7f, 0xff, 0xff, 0xff}); time.Sleep(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			well := false
			l := newLaneTest(t, other(t, func(conn net.Conn) {
				mu.Lock()
				now := well
				mu.Unlock()
				if now {
					answerAll(conn, 1<<30)
				} else {
					serve(conn)
				}
			}))
			for id := range core.CallID(5) {
				l.call(id+1, 300)
			}
			if got := l.ended(5, 2*time.Second); got > 5 || got > 0 && name != "leaves after one" {
				t.Errorf("%d calls answered", got)
			}
			mu.Lock()
			well = true
			mu.Unlock()
			deadline := time.Now().Add(10 * time.Second)
			for id := core.CallID(100); ; id++ {
				if l.call(id, 1500); l.ended(1, 3*time.Second) == 1 {
					return
				}
				if time.Now().After(deadline) {
					t.Fatal("a node that is well again is not reached")
				}
			}
		})
	}
}

// TestLaneRefused: where nobody listens a call ends soon, not at its timeout; Stop ends what waits, and what comes after it.
func TestLaneRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	l := newLaneTest(t, addr)
	l.call(1, 60_000)
	if l.ended(1, 5*time.Second) != 0 {
		t.Error("an answer from nobody")
	}
	l.call(2, 60_000)
	l.Stop()
	l.call(3, 60_000)
	l.ended(2, time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, up := range l.changes {
		if up == "true" {
			t.Error("told that it is up")
		}
	}
}

// TestAnswersReuseBuffers: an answer of the size of those before it costs no memory.
func TestAnswersReuseBuffers(t *testing.T) {
	frames := NewFrames(0, false)
	in := wire.NewAnswerReader(1<<20, frames)
	answer := append([]byte{0, 4, 0, 0}, make([]byte, 4<<16)...)
	take := func() {
		for rest := answer; len(rest) > 0; {
			if _, ok, err := in.Next(); ok || err != nil {
				t.Fatal("not yet", err)
			}
			n := copy(in.Buffer(), rest)
			in.Filled(n)
			rest = rest[n:]
		}
		got, ok, err := in.Next()
		if !ok || err != nil || len(got.Data) != 4<<16 {
			t.Fatalf("%d bytes, %v", len(got.Data), err)
		}
		frames.Release(got.Frame)
	}
	take() // grows as it proves what it sends
	if n := testing.AllocsPerRun(100, take); n > 0 {
		t.Errorf("%v allocations an answer", n)
	}
}
