package sim

import "fmt"

// behind says which partition the client has not read up to what was acknowledged; empty if there is none. Of a relaxed topic, or one that was damaged, that
// cannot be told.
func (h *whole) behind() string {
	if !h.c.topic.Durable() {
		return ""
	}
	for i := range h.read {
		part := h.c.w.ledger.part(h.c.opt.Topic, int32(i))
		if len(part.hurts) > 0 || part.doubts > 0 {
			continue
		}
		if position, _, _ := h.k.Position(h.c.topic.Name, int32(i)); position < part.ackedEnd {
			return fmt.Sprintf("%s-%d is read up to %d, and offsets below %d are acknowledged", h.c.topic.Name, i, position, part.ackedEnd)
		}
	}
	return ""
}
