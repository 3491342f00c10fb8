package runtime

import (
	"sync"

	"odradek/core"
)

const (
	// turnEvents is how many events are stepped before their effects are handed over: enough to share a write, few enough that the first of them does not
	// wait long.
	turnEvents = 64
	// turnsMax is how many turns one goroutine attends for. Then another one goes on: whoever brought an event has work of its own, a sync round to run or
	// a connection to read, which must not wait for as long as others keep the mailbox filled.
	turnsMax = 16
	// laneKept is the capacity that an empty lane keeps.
	laneKept = 4096
)

// mailbox holds the events that wait for their Step, in two lanes: completions go before requests, so that work under way is finished before new
// work begins. Its length is bounded by what is in flight: connections hold at most 64 requests each, the disk one completion per effect.
//
// Whoever finds it unattended attends it: the goroutine that brings an event runs turns until the mailbox is empty, or turnsMax of them. One attends at
// a time, so there is one order of Steps and no goroutine of its own is needed (flat combining).
type mailbox struct {
	turn func([]core.Event) // steps events, which are its own until it returns; called by whoever attends

	mu       sync.Mutex
	batch    []core.Event // what the attendant has taken
	urgent   lane
	ordinary lane
	attended bool
	closed   bool
	idle     sync.Cond // signalled when nobody attends any more
}

func (m *mailbox) init(turn func([]core.Event)) {
	m.turn = turn
	m.idle.L = &m.mu
}

// submit adds events and has them stepped, here or by whoever attends already. It reports false when the mailbox is closed.
func (m *mailbox) submit(events []core.Event) bool {
	taken, attend := m.put(events)
	if attend {
		m.attend()
	}
	return taken
}

// put adds events and reports whether the caller must attend.
func (m *mailbox) put(events []core.Event) (taken, attend bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false, false
	}
	for i := range events {
		switch events[i].Kind {
		case core.EvRequest, core.EvTimeout, core.EvConnClosed:
			// A Timeout is no more urgent than a request: it must not overtake what arrived before it.
			m.ordinary.push(&events[i])
		default:
			m.urgent.push(&events[i])
		}
	}
	attend = !m.attended
	m.attended = true
	return true, attend
}

// attend runs turns until nothing is left, or hands the attendance on.
func (m *mailbox) attend() {
	for range turnsMax {
		events := m.take(turnEvents)
		if len(events) == 0 {
			return
		}
		m.turn(events)
	}
	go m.attend()
}

// take returns up to n events, urgent ones first; they are the caller's until it calls again. With none left it ends the attendance and returns none: from
// then on another goroutine may be attending, so whatever belongs to the attendance is touched under mu.
func (m *mailbox) take(n int) []core.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.batch)
	m.batch = m.urgent.move(m.batch[:0], n)
	m.batch = m.ordinary.move(m.batch, n-len(m.batch))
	if len(m.batch) == 0 {
		m.attended = false
		m.idle.Broadcast()
	}
	return m.batch
}

// close refuses further events and waits until nobody attends. What waits is stepped still.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for m.attended {
		m.idle.Wait()
	}
}

// lane is a queue of events. Those before head are taken and cleared.
type lane struct {
	events []core.Event
	head   int
}

func (l *lane) push(ev *core.Event) {
	// Growing would copy the events anyway; with half of them taken, moving the others makes room, and each is moved only so often.
	if len(l.events) == cap(l.events) && l.head > len(l.events)/2 {
		n := copy(l.events, l.events[l.head:])
		clear(l.events[n:])
		l.events, l.head = l.events[:n], 0
	}
	l.events = append(l.events, *ev)
}

// move appends up to n events to dst and takes them out.
func (l *lane) move(dst []core.Event, n int) []core.Event {
	n = min(n, len(l.events)-l.head)
	from := l.events[l.head : l.head+n]
	dst = append(dst, from...)
	clear(from)
	if l.head += n; l.head == len(l.events) {
		l.events, l.head = l.events[:0], 0
		if cap(l.events) > laneKept {
			l.events = nil
		}
	}
	return dst
}
