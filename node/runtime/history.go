package runtime

import "odradek/core"

// historyEvents is how many events are kept for a post-mortem.
const historyEvents = 10_000

// history keeps the last events as they were stepped, in a ring that grows to its size. Record bytes are not kept: their CRC is in the Batch.
type history struct {
	ring []core.Event
	next int
}

func (h *history) add(ev *core.Event) {
	if len(h.ring) < historyEvents {
		h.ring = append(h.ring, *ev)
	} else {
		h.ring[h.next] = *ev
		h.next = (h.next + 1) % historyEvents
	}
}

// text prints the events, oldest first, and last the reason of the halt.
func (h *history) text(reason string) []byte {
	var out []byte
	for i := range h.ring {
		out = append(h.ring[(h.next+i)%len(h.ring)].Append(out), '\n')
	}
	return append(append(out, "halt: "...), reason+"\n"...)
}
