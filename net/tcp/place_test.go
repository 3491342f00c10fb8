package tcp

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"odradek/net/wire"
)

const (
	heavySize = 3000 // of a batch that keepBusy takes heavyFrom for, and more
	lightSize = 10
)

// keepBusy makes batches of heavySize take as long as if they were decompressed.
func keepBusy(b *fakeBroker) {
	b.long = func(size int) {
		for began := time.Now(); size == heavySize && time.Since(began) < 5*heavyFrom; {
		}
	}
}

// places is how many connections each loop has.
func places(s *Server) []int {
	n := make([]int, len(s.loops))
	s.each(func(c *conn) {
		c.mu.Lock()
		defer c.mu.Unlock()
		n[slices.Index(s.loops, c.loop)]++
	})
	return n
}

// Connections whose requests take long to decode are spread over all loops; the others share every other one, and so do these when theirs no longer do.
func TestHeavyConnectionsAreSpread(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4)) // light ones have two loops
	b, _ := start(t, Config{}, 0)
	keepBusy(b)
	var clients []*client
	for range 8 {
		clients = append(clients, dial(t, b.server))
	}
	all := func(size int) {
		for i := range int32(4 * recent) {
			for _, c := range clients {
				c.send(i, produce(size, 1))
			}
			for n, c := range clients {
				if corr, _, err := c.receive(produce(0, 1)); err != nil || corr != i {
					t.Fatalf("answer %d to client %d came as %d, %v", i, n, corr, err)
				}
			}
		}
	}
	for range 2 {
		all(lightSize)
		if got := places(b.server); !slices.Equal(got, []int{4, 4, 0, 0}) {
			t.Errorf("light connections are %v to the loops", got)
		}
		all(heavySize)
		if got := places(b.server); !slices.Equal(got, []int{2, 2, 2, 2}) {
			t.Errorf("heavy connections are %v to the loops", got)
		}
	}
}

// A connection becomes heavy by what it costs for some time. One request that the system has stopped for milliseconds does not make it so.
func TestWeigh(t *testing.T) {
	const us = time.Microsecond
	for name, c := range map[string]struct {
		weight time.Duration // before
		heavy  bool
		took   []time.Duration
		want   bool
	}{ // any order: each by itself
		"small":              {0, false, slices.Repeat([]time.Duration{2 * us}, 1000), false},
		"stopped once":       {2 * us, false, []time.Duration{time.Second, 2 * us}, false},
		"stopped twice":      {2 * us, false, []time.Duration{time.Second, time.Second, 2 * us}, false},
		"large":              {2 * us, false, slices.Repeat([]time.Duration{2 * heavyFrom}, recent), true},
		"so for two":         {0, false, slices.Repeat([]time.Duration{2 * heavyFrom}, 2), false},
		"between, was heavy": {heavyFrom, true, slices.Repeat([]time.Duration{(heavyFrom + lightFrom) / 2}, 1000), true},
		"between, was not":   {lightFrom, false, slices.Repeat([]time.Duration{(heavyFrom + lightFrom) / 2}, 1000), false},
		"light again":        {heavyFrom, true, slices.Repeat([]time.Duration{us}, 2*recent), false},
	} {
		conn := conn{weight: c.weight, heavy: c.heavy}
		changes := 0
		for _, took := range c.took {
			if conn.weigh(took) {
				changes++
			}
		}
		if want := c.want != c.heavy; conn.heavy != c.want || changes > 1 || want != (changes == 1) {
			t.Errorf("%s: heavy %t after %d changes, want %t", name, conn.heavy, changes, c.want)
		}
	}
}

// Requests reach the core as they were sent, whichever loops read them: one has given all that it read to the core before the next reads.
func TestOrderAcrossLoops(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // light ones have one loop
	b, _ := start(t, Config{}, 0)
	keepBusy(b)
	inOrder := noteOrder(t, b, 600*time.Microsecond)
	const n, phase, ahead = 80 * recent, 8 * recent, 3
	var clients sync.WaitGroup
	for range 4 {
		c, room := dial(t, b.server), make(chan struct{}, ahead)
		clients.Go(func() {
			for i := range n {
				room <- struct{}{}
				c.send(int32(i), produce([]int{heavySize, lightSize}[i/phase%2], 1))
			}
		})
		clients.Go(func() {
			for i := range n {
				if corr, _, err := c.receive(produce(0, 1)); err != nil || corr != int32(i) {
					t.Errorf("answer %d came as %d, %v", i, corr, err)
				}
				<-room
			}
		})
	}
	clients.Wait()
	inOrder(4)
	if moves := b.server.heavies.Load(); moves < 4*2 {
		t.Errorf("the connections became heavy %d times: too seldom for this test to say much", moves)
	}
}

// A connection that its next loop cannot watch is closed, with a line that says why.
func TestLoopThatCannotWatch(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	b, log := start(t, Config{}, 0)
	keepBusy(b)
	c := dial(t, b.server)
	c.send(0, produce(lightSize, 1))
	if _, _, err := c.receive(produce(0, 1)); err != nil {
		t.Fatal(err)
	}
	b.server.each(func(c *conn) { // it is watched there already, for nothing, as a connection that is not known
		if err := unix.EpollCtl(b.server.loops[1].poll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{}); err != nil {
			t.Fatal(err)
		}
	})
	go func() {
		for i := range int32(100) {
			if _, err := c.nc.Write(wire.AppendRequest(nil, i, "test", produce(heavySize, 1))); err != nil {
				return // closed, as it shall be
			}
		}
	}()
	log.expect(t, "cannot be watched", "fs.epoll.max_user_watches")
	eventually(t, "end of the connection", func() bool { return b.server.Connections()["PLAINTEXT"] == 0 })
}
