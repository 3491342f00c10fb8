package stream

import "odradek/core/record"

// Retention says how long a log keeps its records: retention.ms and retention.bytes; negative: without bound.
type Retention struct {
	Ms    int64
	Bytes int64
}

// Expired returns the log start that retention leaves: the base of the first segment to keep. Segments go whole, from the first on, while the next one's base
// is committed, and the one is older than Ms by its largest timestamp, or the rest without it still has Bytes, or it lies wholly below the log start. The
// active segment stays.
func (l *Log) Expired(r Retention, now record.UnixMillis, committed record.Offset) record.Offset {
	var total int64
	for i := range l.segments {
		total += int64(l.segments[i].Size)
	}
	start := l.Start
	for i := 0; i+1 < len(l.segments); i++ {
		s, next := &l.segments[i], l.segments[i+1].Base
		byTime := r.Ms >= 0 && s.MaxTimestamp != record.NoTimestamp && int64(now)-int64(s.MaxTimestamp) > r.Ms
		bySize := r.Bytes >= 0 && total-int64(s.Size) >= r.Bytes
		if next > committed || !(byTime || bySize || next <= l.Start) {
			break
		}
		total -= int64(s.Size)
		start = max(start, next)
	}
	return start
}

// DeleteBelow moves the log start up to start, which is committed, and forgets the segments wholly below it. It reports whether any went: the disk must
// then Delete below start.
func (l *Log) DeleteBelow(start record.Offset) (gone bool) {
	if start < l.Start || start > l.Log {
		panic("invariant: the log start leaves the log")
	}
	l.Start = start
	n := 0
	for n+1 < len(l.segments) && l.segments[n+1].Base <= start {
		n++
	}
	l.segments = append(l.segments[:0], l.segments[n:]...)
	l.Epochs.StartAt(start)
	return n > 0
}
