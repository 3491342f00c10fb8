package runtime

import (
	"strconv"

	"odradek/core"
)

const (
	// historyEvents is how many events are kept for a post-mortem, at least, if they fit historyBytes.
	historyEvents = 10_000
	historyBytes  = 2 << 20
	// historyLine is the most that one event is told with; a request with hundreds of partitions is cut.
	historyLine = 1 << 10
)

// history keeps the last events as the lines they print, in two buffers that take turns: the elder one holds what came before the younger. An event itself
// is not kept, since it would hold its request, records and frame; a line costs about 100 ns and, in the long run, no allocation.
type history struct {
	young, old []byte
	events     int // in young
}

// add notes an event that is stepped at an instant.
func (h *history) add(at core.Instant, ev *core.Event) {
	if h.events >= historyEvents || len(h.young) > historyBytes-historyLine {
		h.young, h.old, h.events = h.old[:0], h.young, 0
	}
	h.events++
	from := len(h.young)
	b := strconv.AppendInt(h.young, int64(at), 10)
	b = ev.Brief(append(b, ' '))
	if len(b)-from >= historyLine {
		b = append(b[:from+historyLine-4], "..."...)
	}
	b = append(b, '\n')
	if cap(b) > 2*historyBytes { // one huge line has made it grow
		b = append(make([]byte, 0, historyBytes), b...)
	}
	h.young = b
}

// text returns the events, oldest first, and last the reason of the halt.
func (h *history) text(reason string) []byte {
	out := make([]byte, 0, len(h.old)+len(h.young)+len(reason)+8)
	out = append(append(out, h.old...), h.young...)
	return append(append(out, "halt: "...), reason+"\n"...)
}
