package tcp

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"odradek/net/wire"
)

const (
	// sendfileMin is the size from which an extent is sent from its file; smaller ones are read into the response and go with it in one write.
	sendfileMin = 8 << 10
	// copyStep is the piece in which a file without a descriptor is read and sent.
	copyStep = 64 << 10
	// inlineMax is the extent from which the sending is left to the connection's own goroutine: whoever brings a reply may be running the core's Steps, and a
	// megabyte to copy, or a page to read from the disk, must not hold those up.
	inlineMax = 128 << 10
	// sendfileStep bounds one call of sendfile.
	sendfileStep = 1 << 20
	// gatherMax is how many bytes of responses to pipelined requests go out in one piece.
	gatherMax = 16 << 10
	// outKept is the largest response buffer that a connection keeps.
	outKept = 64 << 10
)

// item is a part of a response: bytes, or bytes of a pinned file.
type item struct {
	b    []byte
	more bool // more of the same response follows: the kernel need not send a short packet
	pin  Pin
	off  int64
	n    int64 // bytes left of the file's
	sent *extents
}

// sender is the writing side of a conn, under its mu. Invariant: while writing, either the poll set watches for room in the socket, or a goroutine runs
// writeQueue, and nobody else writes to it; otherwise queue is empty.
type sender struct {
	queue    []item
	queued   int64 // bytes of memory in queue, and in the item that is being written
	writing  bool
	out      []byte // response under construction
	items    []item
	gathered []byte // small responses that go out in one piece
	full     int64  // since when the socket takes nothing, in Unix nanoseconds
}

// fault is why a connection must close: empty when the peer has just gone, or we are done with it.
type fault struct {
	kind        kind
	cause, hint string
}

// send writes a response, or queues what the socket does not take. One behind which the next is there already goes with that. The caller holds mu.
func (c *conn) send(out wire.Outgoing) *fault {
	if len(out.Pieces) == 1 && !out.Pieces[0].IsExtent {
		if b := out.Pieces[0].Bytes; len(c.gathered)+len(b) <= gatherMax && (len(c.gathered) > 0 || c.machine.HasNext()) {
			c.gathered = append(c.gathered, b...)
			return nil
		}
	}
	if err := c.sendGathered(); err != nil {
		return err
	}
	items, err := c.assemble(out)
	if err != nil {
		return err
	}
	return c.sendItems(items)
}

// sendGathered sends what waited for more. The caller holds mu.
func (c *conn) sendGathered() *fault {
	if len(c.gathered) == 0 {
		return nil
	}
	c.items = append(c.items[:0], item{b: c.gathered})
	c.gathered = c.gathered[:0]
	return c.sendItems(c.items)
}

// sendItems writes items, or queues what the socket does not take.
func (c *conn) sendItems(items []item) *fault {
	for i := range items {
		full := false
		if !c.writing && items[i].n < inlineMax {
			rest, more, err := writeSome(c.fd, items[i])
			if err != nil {
				unpin(items[i:])
				return faultOf(rest, err)
			}
			if !more {
				unpin(items[i : i+1])
				continue
			}
			items[i], full = rest, true
		}
		if err := c.enqueue(items[i], full); err != nil {
			unpin(items[i:])
			return err
		}
	}
	clear(c.items)
	return nil
}

func unpin(items []item) {
	for i := range items {
		if items[i].pin != nil {
			items[i].pin.Release()
			items[i].pin = nil
		}
	}
}

// assemble turns the pieces of a response into items: its pins are taken from c.pins, and those of small extents are read and released.
func (c *conn) assemble(out wire.Outgoing) ([]item, *fault) {
	if len(out.Pieces) == 1 && !out.Pieces[0].IsExtent { // the common case: no copy
		c.items = append(c.items[:0], item{b: out.Pieces[0].Bytes})
		return c.items, nil
	}
	if cap(c.out) > outKept {
		c.out = nil
	}
	size := 0
	for _, p := range out.Pieces {
		size += len(p.Bytes)
		if p.IsExtent && p.Extent.Len < sendfileMin {
			size += int(p.Extent.Len)
		}
	}
	buf := slices.Grow(c.out[:0], size) // grown once: items alias it
	items := c.items[:0]
	from := 0
	for _, p := range out.Pieces {
		if !p.IsExtent {
			buf = append(buf, p.Bytes...)
			continue
		}
		pin, f := c.nextPin(int64(p.Extent.Len))
		if f != nil {
			unpin(items)
			return nil, f
		}
		if pin.Len() >= sendfileMin {
			items = append(items, item{b: buf[from:len(buf):len(buf)], more: true}, item{pin: pin, off: pin.Off(), n: pin.Len(), sent: &c.s.extents})
			from = len(buf)
			continue
		}
		at := len(buf)
		buf = buf[:at+int(pin.Len())]
		n, err := pin.File().ReadAt(buf[at:], pin.Off())
		off := pin.Off()
		pin.Release()
		if n < len(buf)-at {
			unpin(items)
			return nil, shortFile(off, err)
		}
		c.s.extents.small.Add(int64(n))
	}
	if len(buf) > from {
		items = append(items, item{b: buf[from:]})
	}
	c.out, c.items = buf, items
	return items, nil
}

func (c *conn) nextPin(size int64) (Pin, *fault) {
	if len(c.pins) == 0 || c.pins[0].Len() != size {
		return nil, &fault{kindBug, fmt.Sprintf("a reply names an extent of %d bytes, and %d pins that are not it", size, len(c.pins)),
			"report this: it is a bug of the broker's"}
	}
	pin := c.pins[0]
	c.pins = slices.Delete(c.pins, 0, 1)
	return pin, nil
}

func shortFile(off int64, err error) *fault {
	return &fault{kindDisk, fmt.Sprintf("a segment file could not be read at %d: %v", off, err), "check the disk: a file may have been cut by others"}
}

func faultOf(it item, err error) *fault {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errShort):
		return shortFile(it.off, err)
	}
	return &fault{} // the peer has gone: no line
}

var errShort = errors.New("the file ends before the extent does")

// writeSome writes it until it is done or the socket is full, and returns the rest; full: the socket took no more.
func writeSome(fd int, it item) (rest item, full bool, err error) {
	for len(it.b) > 0 || it.n > 0 {
		var n int
		if it.n > 0 && len(it.b) == 0 {
			n, err = writeFile(fd, &it)
		} else {
			if it.more {
				n, err = unix.SendmsgN(fd, it.b, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_MORE)
			} else {
				n, err = unix.Write(fd, it.b)
			}
			if n > 0 {
				it.b = it.b[n:]
			}
		}
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return it, true, nil
		case err != nil:
			return it, false, err
		}
	}
	it.b = nil
	return it, false, nil
}

// writeFile sends some of the file: with its descriptor, at an explicit offset, since the descriptor is shared with writers and other readers;
// without one, by way of memory.
func writeFile(fd int, it *item) (int, error) {
	src, ok := it.pin.File().Hold()
	if ok {
		off := it.off
		n, err := unix.Sendfile(fd, int(src), &off, int(min(it.n, sendfileStep)))
		it.pin.File().Drop()
		if err != nil {
			return 0, err
		}
		if n <= 0 {
			return 0, errShort
		}
		it.sent.kernel.Add(int64(n))
		it.off += int64(n)
		it.n -= int64(n)
		return n, nil
	}
	it.b = make([]byte, min(it.n, copyStep))
	n, err := it.pin.File().ReadAt(it.b, it.off)
	if n < len(it.b) {
		if err == nil || err == io.EOF {
			err = errShort
		}
		return 0, err
	}
	it.sent.large.Add(int64(n))
	it.off += int64(n)
	it.n -= int64(n)
	return n, nil
}

// enqueue leaves an item for later: for when the socket takes more, if it is full, else for a goroutine. The item's bytes are copied: the machine's buffer is
// used again.
func (c *conn) enqueue(it item, full bool) *fault {
	if len(it.b) > 0 {
		it.b = slices.Clone(it.b)
	}
	if c.queued > 0 && c.queued+int64(len(it.b)) > c.s.cfg.QueueMax {
		return &fault{kindUnread, fmt.Sprintf("%d bytes of responses wait, and the peer does not read them", c.queued), "look why the client hangs"}
	}
	if size := int64(len(it.b)); size > 0 && c.s.unread.Add(size) > c.s.cfg.UnreadMax {
		c.s.unread.Add(-size)
		return &fault{kindUnread, fmt.Sprintf("%d bytes of responses wait for peers that do not read them, of all connections together", c.s.cfg.UnreadMax),
			"look which clients hang"}
	}
	c.queued += int64(len(it.b))
	c.queue = append(c.queue, it)
	if c.writing {
		return nil
	}
	c.writing = true
	if full {
		c.awaitRoom()
	} else {
		c.goWrite()
	}
	return nil
}

// awaitRoom has the poll set watch for when the socket takes more. The caller holds mu.
func (c *conn) awaitRoom() {
	c.full = time.Now().UnixNano()
	c.watch(c.interest | unix.EPOLLOUT)
}

// writable is told by the loop that the socket takes more. What waits is written elsewhere: it may be megabytes, and come from a disk.
func (c *conn) writable() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.interest&unix.EPOLLOUT == 0 {
		return
	}
	c.watch(c.interest &^ unix.EPOLLOUT)
	c.goWrite()
}

// goWrite starts writeQueue. The caller holds mu.
func (c *conn) goWrite() {
	c.users++
	c.s.conns.Add(1) // never from zero: whoever owns the connection still counts
	go c.writeQueue()
}

// writeQueue writes queued items until there are none, or the socket is full.
func (c *conn) writeQueue() {
	defer c.s.conns.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.letGo()
	for !c.closed && len(c.queue) > 0 {
		it := c.queue[0]
		c.queue[0] = item{}
		c.queue = c.queue[1:]
		c.mu.Unlock()
		rest, full, err := writeSome(c.fd, it)
		c.mu.Lock()
		// A file without a descriptor leaves bytes in memory that were not there before.
		taken := int64(len(it.b))
		if full {
			taken -= int64(len(rest.b))
		}
		if !c.closed {
			c.queued -= taken
		}
		c.s.unread.Add(-taken)
		if full && !c.closed {
			c.queue = slices.Insert(c.queue, 0, rest)
			c.awaitRoom()
			c.turn.Broadcast()
			return
		}
		if full {
			c.s.unread.Add(-int64(len(rest.b)))
		}
		unpin([]item{it})
		if err != nil {
			c.closeLocked(*faultOf(rest, err))
		}
		c.turn.Broadcast()
	}
	c.writing = false
	c.turn.Broadcast()
}

// discard forgets what is queued, and returns its bytes. The item that writeQueue has taken is its own to release.
func (s *sender) discard() (bytes int64) {
	unpin(s.queue)
	for i := range s.queue {
		bytes += int64(len(s.queue[i].b))
	}
	s.queue = nil
	return bytes
}
