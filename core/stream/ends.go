package stream

import "odradek/core/record"

// Ends are the three ends of a stream. All are exclusive: the first offset that is not yet assigned, written, durable.
//
// Invariant: Start <= Durable <= Written <= Log, except that Durable and Written may lag behind Start after records were deleted.
type Ends struct {
	Generation Generation
	Start      record.Offset // log start: nothing below it is served
	Log        record.Offset // offsets below it are assigned
	Written    record.Offset // bytes below it are in the file and readable
	Durable    record.Offset // bytes below it survive power loss
}

// OnWritten moves the written end and reports whether it moved. A completion of another generation is ignored: between the write and its
// completion the offsets may have been cut and assigned anew, so the number alone proves nothing.
func (e *Ends) OnWritten(g Generation, upTo record.Offset) bool {
	if g != e.Generation || upTo <= e.Written || upTo > e.Log {
		return false
	}
	e.Written = upTo
	return true
}

// OnDurable moves the durable end and reports whether it moved. What is durable is written, whichever completion arrives first.
func (e *Ends) OnDurable(g Generation, upTo record.Offset) bool {
	if g != e.Generation || upTo <= e.Durable || upTo > e.Log {
		return false
	}
	e.Durable = upTo
	e.Written = max(e.Written, upTo)
	return true
}
