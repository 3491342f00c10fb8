package clientlib

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"

	"odradek/clientlib/proto"
)

// conn is one connection: a goroutine that dials and reads, and one that writes.
type conn struct {
	c  *Client
	id proto.LinkID

	mu      sync.Mutex
	wake    sync.Cond
	nc      net.Conn // nil until it is open
	pending [][]byte // to be written; the machine bounds it
	closed  bool
}

func newConn(c *Client, id proto.LinkID) *conn {
	k := &conn{c: c, id: id}
	k.wake.L = &k.mu
	return k
}

// readSize is how much is read at once.
const readSize = 256 << 10

func (k *conn) run(address string) {
	defer k.c.running.Done()
	nc, err := k.c.dial(k.c.ctx, address)
	if err != nil {
		k.lost(err)
		return
	}
	k.mu.Lock()
	k.nc = nc
	if k.closed {
		nc.Close()
	}
	k.mu.Unlock()
	k.c.running.Add(1)
	go k.drain(nc)
	k.c.step(func(m *proto.Client, now int64) { m.Opened(now, k.id) })
	buf := make([]byte, readSize)
	for {
		n, err := nc.Read(buf)
		if n > 0 {
			k.c.step(func(m *proto.Client, now int64) { m.Received(now, k.id, buf[:n]) })
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the broker closed the connection")
			}
			k.lost(err)
			return
		}
	}
}

func (k *conn) lost(err error) {
	k.close()
	k.c.step(func(m *proto.Client, now int64) {
		delete(k.c.conns, k.id)
		m.Lost(now, k.id, err)
	})
}

func (k *conn) write(p []byte) {
	k.mu.Lock()
	k.pending = append(k.pending, p)
	k.mu.Unlock()
	k.wake.Signal()
}

// drain writes what is pending until the connection closes. A failure shows to the reader.
func (k *conn) drain(nc net.Conn) {
	defer k.c.running.Done()
	for {
		k.mu.Lock()
		for len(k.pending) == 0 && !k.closed {
			k.wake.Wait()
		}
		if k.closed {
			k.mu.Unlock()
			return
		}
		written := k.pending
		k.pending = nil
		k.mu.Unlock()
		buffers := net.Buffers(slices.Clone(written)) // WriteTo consumes it
		if _, err := buffers.WriteTo(nc); err != nil {
			nc.Close()
			return
		}
		k.c.written(written)
	}
}

func (k *conn) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	k.closed = true
	if k.nc != nil {
		k.nc.Close()
	}
	k.wake.Broadcast()
}
