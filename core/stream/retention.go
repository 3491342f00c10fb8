package stream

import "odradek/core/record"

// Retention says how long a log keeps its records: retention.ms and retention.bytes; negative: without bound.
type Retention struct {
	Ms    int64
	Bytes int64
}

// Expired returns the log start that retention leaves: the base of the first segment to keep, or the log end. Segments go whole, from the first on, while
// all of one is committed, and it is older than Ms by its largest timestamp, or the rest without it still has Bytes, or it lies wholly below the log start. The
// active segment goes like any other if it holds something, but an empty one must follow it: see Rest.
func (l *Log) Expired(r Retention, now record.UnixMillis, committed record.Offset) record.Offset {
	var total int64
	for i := range l.segments {
		total += int64(l.segments[i].Size)
	}
	start := l.Start
	for i := range l.segments {
		s, next, active := &l.segments[i], l.Log, i+1 == len(l.segments)
		if !active {
			next = l.segments[i+1].Base
		}
		byTime := r.Ms >= 0 && s.MaxTimestamp != record.NoTimestamp && int64(now)-int64(s.MaxTimestamp) > r.Ms
		bySize := r.Bytes >= 0 && total-int64(s.Size) >= r.Bytes
		if next > committed || !(byTime || bySize || !active && next <= l.Start) || active && s.Size == 0 {
			break
		}
		total -= int64(s.Size)
		start = max(start, next)
	}
	return start
}

// Rest begins an empty segment at the log end, so that the active one may go. The disk must be told to Roll.
func (l *Log) Rest(now record.UnixMillis, index IndexLimits) { l.begin(l.Log, now, index) }

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
