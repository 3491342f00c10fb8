package runtime

import (
	"sync"

	"odradek/core"
)

// mailbox holds the events that wait for their Step, in two lanes: completions go before requests, so that work under way is finished before new
// work begins. Its length is bounded by what is in flight: connections hold at most 64 requests each, the disk one completion per effect.
//
// Whoever finds it unattended attends it: the goroutine that brings an event runs Steps until the mailbox is empty. One attends at a time, so there is
// one order of Steps and no goroutine of its own is needed (flat combining).
type mailbox struct {
	mu       sync.Mutex
	urgent   []core.Event
	ordinary []core.Event
	attended bool
	closed   bool
	idle     sync.Cond // signalled when nobody attends any more
}

// put adds events and reports whether the caller must attend.
func (m *mailbox) put(events ...core.Event) (attend bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	for i := range events {
		switch events[i].Kind {
		case core.EvRequest, core.EvTimeout, core.EvConnClosed:
			// A Timeout is no more urgent than a request: it must not overtake what arrived before it.
			m.ordinary = append(m.ordinary, events[i])
		default:
			m.urgent = append(m.urgent, events[i])
		}
	}
	if m.attended {
		return false
	}
	m.attended = true
	return true
}

// take moves up to n events to dst, urgent ones first. With none left it ends the attendance and returns dst empty.
func (m *mailbox) take(dst []core.Event, n int) []core.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	dst = dst[:0]
	dst, m.urgent = move(dst, m.urgent, n)
	dst, m.ordinary = move(dst, m.ordinary, n-len(dst))
	if len(dst) == 0 {
		m.attended = false
		m.idle.Broadcast()
	}
	return dst
}

func move(dst, from []core.Event, n int) (to, rest []core.Event) {
	n = min(n, len(from))
	dst = append(dst, from[:n]...)
	kept := copy(from, from[n:])
	clear(from[kept:])
	return dst, from[:kept]
}

// close refuses further events and waits until nobody attends.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for m.attended {
		m.idle.Wait()
	}
}
