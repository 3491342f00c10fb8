package runtime

import "odradek/core"

const (
	// historyEvents is how many events are kept for a post-mortem.
	historyEvents = 10_000
	// historyWeight bounds what hangs on them: a hundred bytes or so each.
	historyWeight = 100_000
)

// history keeps the last events as they were stepped, in a ring. What an event holds is kept with it, so it is bounded too: record bytes go with their
// frame (settleFrame), bodies and loaded bytes are printed at once, as their length and hash, and the rest is weighed.
type history struct {
	ring   []historyEntry
	first  int
	count  int
	weight int // of all entries
}

// historyEntry is one event, or its line.
type historyEntry struct {
	ev     core.Event
	line   []byte
	weight int
}

func (h *history) add(ev *core.Event) {
	if h.ring == nil {
		h.ring = make([]historyEntry, historyEvents)
	}
	e := historyEntry{weight: weigh(ev)}
	if ev.Kind == core.EvLoaded || ev.Kind == core.EvRequest && ev.Request.Body != nil {
		e.line = ev.Append(nil)
		e.weight = 1 + len(e.line)/100
	} else {
		e.ev = *ev
	}
	h.weight += e.weight
	for h.count == historyEvents || h.count > 0 && h.weight > historyWeight {
		oldest := &h.ring[h.first]
		h.weight -= oldest.weight
		*oldest = historyEntry{}
		h.first = (h.first + 1) % historyEvents
		h.count--
	}
	h.ring[(h.first+h.count)%historyEvents] = e
	h.count++
}

// weigh counts the parts of an event.
func weigh(ev *core.Event) int {
	n := 1
	switch ev.Kind {
	case core.EvOpened:
		n += len(ev.Opened.Segments) + len(ev.Opened.Epochs) + 5*len(ev.Opened.Producers)
	case core.EvLocated:
		for i := range ev.Located.Partitions {
			n += 1 + len(ev.Located.Partitions[i].Extents)
		}
	case core.EvRequest:
		if r := ev.Request; r.Produce != nil {
			for i := range r.Produce.Partitions {
				n += 2 + len(r.Produce.Partitions[i].Errors)
			}
		} else if r.Fetch != nil {
			n += len(r.Fetch.Partitions)
		}
	}
	return n
}

// text prints the events, oldest first, and last the reason of the halt.
func (h *history) text(reason string) []byte {
	var out []byte
	for i := range h.count {
		if e := &h.ring[(h.first+i)%historyEvents]; e.line != nil {
			out = append(append(out, e.line...), '\n')
		} else {
			out = append(e.ev.Append(out), '\n')
		}
	}
	return append(append(out, "halt: "...), reason+"\n"...)
}
