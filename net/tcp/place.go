package tcp

import (
	"time"

	"golang.org/x/sys/unix"
)

// Which loop has a connection. Those whose requests take nothing to decode are best read by few loops: a round brings more of them, and more threads at work
// only wait for one another. Those that are decompressed are spread over all, so that decompressing takes as many processors as there are.

const (
	// heavyFrom is what a request takes to decode, on average, for its connection to be heavy: 1 KB of gzip or 4 KB of zstd take a little more, 16 KB of LZ4 and
	// 64 KB of plain records more than that; 16 KB of plain records take half.
	heavyFrom = 4 * time.Microsecond
	// lightFrom is below which a heavy connection is light again: far enough from heavyFrom that it does not go to and fro.
	lightFrom = 2500 * time.Nanosecond
	// heaviest is the most that one request counts for. A thread that the system stops for milliseconds in the middle of a small request makes no connection
	// heavy.
	heaviest = 2 * heavyFrom
	// recent is over how many reads the average goes.
	recent = 16
	// weighFrom is how many bytes a read must bring to be timed: fewer are light, and asking for the time twice would cost more than it tells.
	weighFrom = 1 << 10
)

// weigh notes what each request of a read took to decode, and reports whether the connection has become heavy or light by that.
func (c *conn) weigh(took time.Duration) bool {
	c.weight += (min(took, heaviest) - c.weight) / recent
	was := c.heavy
	switch {
	case c.weight >= heavyFrom:
		c.heavy = true
	case c.weight <= lightFrom:
		c.heavy = false
	}
	return c.heavy != was
}

// home is the loop that shall have the connection: light ones share every other loop; heavy ones go to each in turn.
func (c *conn) home() *loop {
	loops := c.s.loops
	if c.heavy {
		return loops[int(c.s.heavies.Add(1)%uint64(len(loops)))]
	}
	return loops[int(uint64(c.id)%uint64((len(loops)+1)/2))]
}

// move gives the connection to the loop that shall have it. The loop that has it calls this, between two rounds, and reads nothing of it after that. A connection
// that is closed stays: its loop is told, and ends it.
func (c *conn) move() {
	to := c.home()
	c.mu.Lock()
	stays := c.closed || to == c.loop
	if !stays {
		_ = c.loop.control(unix.EPOLL_CTL_DEL, c, 0)
	}
	c.mu.Unlock()
	if !stays {
		c.join(to)
	}
}

// join gives a connection that no loop has to one. What has come already is told of at once.
func (c *conn) join(l *loop) {
	c.mu.Lock()
	c.loop = l
	err := l.control(unix.EPOLL_CTL_ADD, c, c.interest)
	c.away = err != nil
	c.mu.Unlock()
	if err != nil { // out of memory, or of fs.epoll.max_user_watches
		c.close(fault{kindLimit, "it cannot be watched: " + err.Error(), "raise fs.epoll.max_user_watches"})
		go c.run()
	}
}
