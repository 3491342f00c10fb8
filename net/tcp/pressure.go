package tcp

import (
	"fmt"
	"time"
)

const (
	// stallAfter is how long a frame may take to come while others wait for memory. An honest client on a slow line may need longer; it will try again.
	stallAfter = 10 * time.Second
	// lookEvery is how often the server looks for stalled frames while connections wait for memory.
	lookEvery = time.Second
)

// account charges the memory of a frame that has begun and does not come from the pool, and notes since when it is coming.
func (c *conn) account() {
	if held := int64(c.in.Held()); held != c.partial {
		c.frames.charge(held - c.partial)
		c.partial = held
	}
	claimed := int64(c.in.Claimed())
	if claimed == 0 {
		c.coming.Store(0)
	} else if c.coming.Load() == 0 {
		c.claimed.Store(claimed)
		c.coming.Store(time.Now().UnixNano())
	}
}

// relieve is called while connections wait for memory: it closes those whose frames have been coming for too long. A few peers that send most of a large
// request and then nothing would else keep everybody out for as long as they may idle.
func (s *Server) relieve() {
	now := time.Now()
	s.each(func(c *conn) {
		began := c.coming.Load()
		if began == 0 {
			return
		}
		if since := now.Sub(time.Unix(0, began)); since > s.stallAfter {
			c.close(fault{kindMemory, fmt.Sprintf("a request of %d bytes has been coming for %s while others wait for memory", c.claimed.Load(), since.Round(time.Second)),
				"look why the client stalls, or raise queued.max.request.bytes"})
		}
	})
}
