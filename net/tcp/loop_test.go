package tcp

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/net/wire"
)

// holdLoop stops the loop, where there is but one, in the middle of a round until release, so that more comes meanwhile. It takes one connection.
func holdLoop(t *testing.T, b *fakeBroker) (release func()) {
	t.Helper()
	answer := b.answer
	stopped, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.answer = func(req *core.Request) {
		once.Do(func() { close(stopped); <-goOn })
		answer(req)
	}
	c := dial(t, b.server)
	c.send(1, produce(1, 1))
	<-stopped
	return func() {
		close(goOn)
		if _, _, err := c.receive(produce(0, 1)); err != nil {
			t.Error(err)
		}
	}
}

// What has come on many connections goes to the core as one piece, which ends with the connection that fills it.
func TestRounds(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // one loop
	b, _ := start(t, Config{}, 0)
	var mu sync.Mutex
	var rounds [][]int32 // sizes of batches
	b.saw = func(events []core.Event) {
		mu.Lock()
		defer mu.Unlock()
		var sizes []int32
		for i := range events {
			if req := events[i].Request; req != nil && req.Produce != nil {
				sizes = append(sizes, req.Produce.Partitions[0].Batch.Size)
			}
		}
		rounds = append(rounds, sizes)
	}
	release := holdLoop(t, b)
	const n, size = 40, 20_000
	var clients []*client
	for i := range n {
		c := dial(t, b.server)
		c.send(int32(i), produce(size, 1))
		clients = append(clients, c)
	}
	eventually(t, "connections", func() bool { return b.server.Connections()["PLAINTEXT"] == n+1 })
	time.Sleep(20 * time.Millisecond) // the kernel has all of it
	release()
	for i, c := range clients {
		if corr, _, err := c.receive(produce(0, 1)); err != nil || corr != int32(i) {
			t.Fatal(i, corr, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	largest, served := 0, 0
	for _, sizes := range rounds[1:] {
		largest, served = max(largest, len(sizes)), served+len(sizes)
	}
	if most := (roundBytes+shareBytes)/size + 1; served != n || largest > most || largest < most/2 {
		t.Errorf("%d requests in rounds of up to %d; want %d in rounds of up to %d, and no less than half of that", served, largest, n, most)
	}
}

// A connection that sends without end has its share of a round, and no more: others are served meanwhile.
func TestShareOfARound(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // one loop
	b, _ := start(t, Config{}, 0)
	var most atomic.Int64
	b.saw = func(events []core.Event) {
		bytes := map[core.ConnID]int64{}
		for i := range events {
			if req := events[i].Request; req != nil && req.Produce != nil {
				bytes[req.Conn] += int64(req.Produce.Partitions[0].Batch.Size)
			}
		}
		for _, n := range bytes { // any order: the largest
			most.Store(max(most.Load(), n))
		}
	}
	release := holdLoop(t, b)
	flood := dial(t, b.server)
	const n, size = 60, 10_000
	sent := make(chan struct{})
	go func() {
		for i := range n {
			flood.send(int32(i), produce(size, 1))
		}
		close(sent)
	}()
	time.Sleep(20 * time.Millisecond)
	release()
	<-sent
	for i := range n {
		if corr, _, err := flood.receive(produce(0, 1)); err != nil || corr != int32(i) {
			t.Fatal(i, corr, err)
		}
	}
	if got := most.Load(); got > shareBytes+2*size || got < shareBytes/2 {
		t.Errorf("%d bytes of one connection in one round; its share is %d", got, shareBytes)
	}
}

// Answers to pipelined requests that come together go out in one piece; and a full stop for something else sends what was gathered.
func TestAnswersGather(t *testing.T) {
	b, log := start(t, Config{}, 0)
	arrived := make(chan *core.Request, 10)
	b.answer = func(req *core.Request) { arrived <- req }
	c := dial(t, b.server)
	const n = 5
	var replies Replies
	for i := range n {
		c.send(int32(i), produce(10, int16(1-i/(n-1)))) // the last with acks=0
	}
	for i := range n {
		req := <-arrived
		code := errcode.None
		if i == n-1 {
			code = errcode.NotLeaderOrFollower // there is no answer to say it: the connection closes
		}
		b.frames.Release(req.Frame)
		resp := &api.ProduceResponse{Partitions: []api.ProduceResult{{Topic: "t", Err: code, CurrentLeader: record.NoNode}}}
		replies.Add(b.server, &core.Reply{Conn: req.Conn, Correlation: req.Correlation, Key: req.Key, Produce: resp}, nil)
	}
	if len(replies.answered) != 1 {
		t.Errorf("%d connections are answered, want one", len(replies.answered))
	}
	replies.Send()
	buf := make([]byte, 10_000)
	got, err := c.nc.Read(buf)
	if want := (n - 1) * sizeOfAnswer; err != nil || got != want {
		t.Errorf("the first read got %d bytes, %v; want all %d", got, err, want)
	}
	c.closes()
	log.expect(t, "acks=0")
}

// A socket that is full in the middle of small answers: the rest is sent when the peer reads, byte for byte, and in order.
func TestFullSocket(t *testing.T) {
	b, log := start(t, Config{}, 0)
	long := string(make([]byte, 20_000)) // an error message makes answers large
	b.answer = func(req *core.Request) {
		b.frames.Release(req.Frame)
		resp := &api.ProduceResponse{Partitions: []api.ProduceResult{{Topic: "t", BaseOffset: record.Offset(req.Correlation), Err: errcode.InvalidRecord, Message: long, CurrentLeader: record.NoNode}}}
		b.server.Reply(&core.Reply{Conn: req.Conn, Correlation: req.Correlation, Key: req.Key, Produce: resp}, nil)
	}
	c := dial(t, b.server)
	_ = c.nc.(*net.TCPConn).SetReadBuffer(64 << 10)
	watched := func(bit uint32) (is bool) {
		b.server.each(func(c *conn) {
			c.mu.Lock()
			is = c.interest&bit != 0
			c.mu.Unlock()
		})
		return is
	}
	eventually(t, "connection", func() bool { return watched(unix.EPOLLIN) })
	b.server.each(func(c *conn) { _ = unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 32<<10) })
	const n = 200
	go func() {
		for i := range n {
			c.send(int32(i), produce(10, 1))
		}
	}()
	for i := range n {
		if i%50 == 0 {
			eventually(t, "full socket", func() bool { return watched(unix.EPOLLOUT) })
		}
		corr, resp, err := c.receive(produce(0, 1))
		if err != nil || corr != int32(i) || resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].BaseOffset != int64(i) {
			t.Fatal(i, corr, err, log.all())
		}
	}
	eventually(t, "end of the watch", func() bool { return !watched(unix.EPOLLOUT) && watched(unix.EPOLLIN) })
	if n := b.server.unread.Load(); n != 0 {
		t.Errorf("%d bytes are still counted as unread", n)
	}
}

// A peer that takes nothing of what waits for it is given up after the idle time, without a line.
func TestFullSocketIdles(t *testing.T) {
	b, log := start(t, Config{Idle: 50 * time.Millisecond}, 0)
	cluster := string(make([]byte, 16<<20))
	b.answer = func(req *core.Request) {
		big := kmsg.NewPtrMetadataResponse()
		big.ClusterID = &cluster
		b.server.Reply(&core.Reply{Conn: req.Conn, Correlation: req.Correlation, Key: req.Key, Body: big}, nil)
	}
	c := dial(t, b.server)
	_ = c.nc.(*net.TCPConn).SetReadBuffer(4096)
	c.send(1, metadata())
	eventually(t, "EvConnClosed", func() bool { _, ok := b.closed.Load(core.ConnID(1)); return ok })
	if l := log.all(); len(l) != 0 {
		t.Error(l)
	}
}

// noteOrder notes the requests that the core gets, each Submit up to so long after it was called: whoever reads on too early overtakes it. What it returns says
// that so many connections have sent requests and that each one's came as they were numbered.
func noteOrder(t *testing.T, b *fakeBroker, late time.Duration) (inOrder func(connections int)) {
	var mu sync.Mutex
	order := map[core.ConnID][]int32{}
	b.saw = func(events []core.Event) {
		if late > 0 {
			time.Sleep(rand.N(late))
		}
		mu.Lock()
		defer mu.Unlock()
		for i := range events {
			if req := events[i].Request; req != nil {
				order[req.Conn] = append(order[req.Conn], req.Correlation)
			}
		}
	}
	return func(connections int) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		for id, numbers := range order { // any order: each by itself
			for i, number := range numbers {
				if number != int32(i) {
					t.Fatalf("connection %d: request %d came as number %d", id, number, i)
				}
			}
		}
		if len(order) != connections {
			t.Errorf("%d connections", len(order))
		}
	}
}

// Light and heavy requests of one connection reach the core as they were sent, though the loop decodes some and a goroutine the others.
func TestOrderAcrossTheLoop(t *testing.T) {
	b, _ := start(t, Config{}, 0)
	inOrder := noteOrder(t, b, 0)
	const n = 300
	var clients sync.WaitGroup
	for range 4 {
		c := dial(t, b.server)
		sizes := []int{10, lightMax + 1, 20, 30, 3 * lightMax, 40}
		clients.Go(func() {
			for i := range n {
				c.send(int32(i), produce(sizes[i%len(sizes)], 1))
			}
		})
		clients.Go(func() {
			for i := range n {
				if corr, _, err := c.receive(produce(0, 1)); err != nil || corr != int32(i) {
					t.Errorf("answer %d came as %d, %v", i, corr, err)
					return
				}
			}
		})
	}
	clients.Wait()
	inOrder(4)
}

// Whatever a connection had to wait for, the loop has it again afterwards; and what waits with it holds nobody else up.
func TestBackToTheLoop(t *testing.T) {
	b, _ := start(t, Config{}, 100_000)
	arrived := make(chan *core.Request, 10)
	b.answer = func(req *core.Request) { arrived <- req }
	owners := func() (away, loop int) {
		b.server.each(func(c *conn) {
			c.mu.Lock()
			if c.away {
				away++
			} else {
				loop++
			}
			c.mu.Unlock()
		})
		return away, loop
	}
	c, other := dial(t, b.server), dial(t, b.server)
	for round := range int32(3) {
		c.send(10*round, metadata())
		c.send(10*round+1, produce(10, 1)) // must wait for the metadata
		cold := <-arrived
		eventually(t, "connection that waits", func() bool { away, _ := owners(); return away == 1 })
		other.send(round, produce(10, 1))
		b.produced(<-arrived, errcode.None)
		if corr, _, err := other.receive(produce(0, 1)); err != nil || corr != round {
			t.Fatal(corr, err)
		}
		b.server.Reply(&core.Reply{Conn: cold.Conn, Correlation: cold.Correlation, Key: cold.Key, Body: kmsg.NewPtrMetadataResponse(), ThrottleMs: 5}, nil)
		b.produced(<-arrived, errcode.None)
		for i, req := range []kmsg.Request{metadata(), produce(0, 1)} {
			if corr, _, err := c.receive(req); err != nil || corr != 10*round+int32(i) {
				t.Fatal(corr, err)
			}
		}
		eventually(t, "return to the loop", func() bool { away, loop := owners(); return away == 0 && loop == 2 })
	}
}

// A large batch and a question that the image answers may take long: others are served meanwhile.
func TestLongWorkHoldsNobodyUp(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // one loop
	for name, req := range map[string]kmsg.Request{"large": produce(lightMax+1, 1), "cold": metadata()} {
		t.Run(name, func(t *testing.T) {
			b, _ := start(t, Config{}, 0)
			begun, release := make(chan struct{}), make(chan struct{})
			b.long = func(size int) {
				if size != 10 {
					close(begun)
					<-release
				}
			}
			c, other := dial(t, b.server), dial(t, b.server)
			c.send(1, req)
			<-begun
			_ = other.nc.SetDeadline(time.Now().Add(3 * time.Second))
			for i := range int32(20) {
				other.send(i, produce(10, 1))
				if corr, _, err := other.receive(produce(0, 1)); err != nil || corr != i {
					t.Error(corr, err)
					break
				}
			}
			close(release)
			if _, _, err := c.receive(req); err != nil {
				t.Error(err)
			}
		})
	}
}

// Requests that the loop decodes itself keep to their order as others do: what comes in one piece with a Fetch waits for its answer, and it for what is before it.
func TestKindsInOneRead(t *testing.T) {
	b, _ := start(t, Config{}, 0)
	arrived := make(chan *core.Request, 10)
	b.answer = func(req *core.Request) { arrived <- req }
	c := dial(t, b.server)
	var all []byte
	for i, req := range []kmsg.Request{produce(10, 1), fetch(), produce(10, 1)} {
		all = wire.AppendRequest(all, int32(i), "test", req)
	}
	if _, err := c.nc.Write(all); err != nil {
		t.Fatal(err)
	}
	for i, req := range []kmsg.Request{produce(0, 1), fetch(), produce(0, 1)} {
		got := <-arrived
		time.Sleep(10 * time.Millisecond)
		if got.Key != api.Key(req.Key()) || len(arrived) != 0 {
			t.Fatalf("request %d is %v, and %d came with it", i, got.Key, len(arrived))
		}
		if got.Produce != nil {
			b.produced(got, errcode.None)
		} else {
			b.server.Reply(&core.Reply{Conn: got.Conn, Correlation: got.Correlation, Key: got.Key, Fetch: &api.FetchResponse{}}, nil)
		}
		if corr, _, err := c.receive(req); err != nil || corr != int32(i) {
			t.Fatal(corr, err)
		}
	}
}

// A request is answered although nonsense has come with it in one piece.
func TestNonsenseBehindARequest(t *testing.T) {
	b, log := start(t, Config{}, 0)
	c := dial(t, b.server)
	wired.Add(1)
	if _, err := c.nc.Write(append(wire.AppendRequest(nil, 1, "test", produce(10, 1)), "GET / HTTP/1.1\r\n\r\n"...)); err != nil {
		t.Fatal(err)
	}
	if corr, _, err := c.receive(produce(0, 1)); err != nil || corr != 1 {
		t.Error(corr, err)
	}
	c.closes()
	log.expect(t, "HTTP begins")
}

// While a connection waits, the loop is not told over and over of what it does not read; and a peer that resets the connection meanwhile is not waited for.
func TestAwayIsNotTold(t *testing.T) {
	b, _ := start(t, Config{}, 0)
	arrived := make(chan *core.Request, 10)
	b.answer = func(req *core.Request) { arrived <- req }
	c := dial(t, b.server)
	c.send(1, metadata())
	c.send(2, produce(10, 1))
	<-arrived
	await := func(what string, ok func(c *conn) bool) {
		t.Helper()
		eventually(t, what, func() (is bool) {
			b.server.each(func(c *conn) {
				c.mu.Lock()
				is = ok(c)
				c.mu.Unlock()
			})
			return is
		})
	}
	await("connection that waits", func(c *conn) bool { return c.away })
	c.send(3, produce(10, 1))
	await("end of the watch", func(c *conn) bool { return c.away && c.interest == 0 })
	_ = c.nc.(*net.TCPConn).SetLinger(0)
	_ = c.nc.Close()
	eventually(t, "EvConnClosed", func() bool { _, ok := b.closed.Load(core.ConnID(1)); return ok })
}

// What is told of a connection that has gone concerns nobody, not even the next one with its descriptor.
func TestPollNumbers(t *testing.T) {
	for _, id := range []core.ConnID{1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<63 + 5} {
		entry := pollEntry(id, unix.EPOLLIN)
		if got := pollID(&entry); got != id {
			t.Errorf("connection %d is told of as %d", id, got)
		}
	}
}

// Connections that come, send and go in all ways, at once: nothing hangs, and each end reaches the core once, after everything else of it.
func TestChurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(6)) // three loops
	b, _ := start(t, Config{}, 0)
	var mu sync.Mutex
	ended := map[core.ConnID]int{}
	b.saw = func(events []core.Event) {
		mu.Lock()
		defer mu.Unlock()
		for i := range events {
			if ended[events[i].Conn] > 0 {
				t.Errorf("an event of connection %d after its end: %v", events[i].Conn, events[i].Kind)
			}
			if events[i].Kind == core.EvConnClosed {
				ended[events[i].Conn]++
			}
		}
	}
	const workers, each = 8, 40
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := range each {
				nc, err := net.Dial("tcp", b.server.Endpoints()[0].Addr.String())
				if err != nil {
					t.Error(err)
					return
				}
				_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
				c := &client{t: t, nc: nc}
				_, _ = nc.Write(wire.AppendRequest(nil, 1, "test", produce(100+i*1000, 1)))
				switch (w + i) % 4 {
				case 0:
					_ = nc.(*net.TCPConn).SetLinger(0) // resets
				case 1:
					_, _ = nc.Write([]byte{0, 0, 0, 100, 0}) // and no more
				case 2:
					_ = nc.(*net.TCPConn).CloseWrite()
					fallthrough
				default:
					if _, _, err := c.receive(produce(0, 1)); err != nil {
						t.Error(fmt.Errorf("worker %d, connection %d: %w", w, i, err))
					}
				}
				_ = nc.Close()
			}
		})
	}
	all.Wait()
	eventually(t, "all ends", func() bool { mu.Lock(); defer mu.Unlock(); return len(ended) == workers*each })
}
