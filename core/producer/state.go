package producer

import (
	"cmp"
	"fmt"
	"slices"

	"odradek/core/errcode"
	"odradek/core/record"
)

// MaxIDs bounds the producer ids that one partition remembers. The one idle longest makes room for a new one: Kafka has no bound, and
// a client that draws a new id for each record could take all memory.
const MaxIDs = 1 << 16

// DefaultExpiryMs is producer.id.expiration.ms: 24 hours.
const DefaultExpiryMs int64 = 86400000

// Kind is what is to be done with a batch.
type Kind uint8

// The kinds of Verdict.
const (
	Append    Kind = iota + 1 // it is the next, or no idempotent one
	Duplicate                 // it was appended before: answer with where
	Refused                   // Code, Message
)

// Verdict is the answer of Check. For a Duplicate, Base, Last and Timestamp are those of the batch as it was appended.
type Verdict struct {
	Kind      Kind
	Base      record.Offset
	Last      record.Offset
	Timestamp record.UnixMillis
	Code      errcode.Code
	Message   string
}

// State is what one partition knows of its idempotent producers. The zero value knows none.
//
// Invariants: byID[id] is the place in slots of the entry of that id; the used slots form one list from oldest to newest by last
// use, and lastUse does not fall along it; at most MaxIDs are used.
type State struct {
	slots          []slot
	byID           map[record.ProducerID]int32
	oldest, newest int32 // places in slots; meaningless while byID is empty
	free           []int32
}

// slot holds one entry and its place in the list of use. The neighbour of the last one is none.
type slot struct {
	entry        Entry
	lastUse      record.UnixMillis // broker's time of the last append
	older, newer int32
}

const none int32 = -1

// Check says what is to be done with a batch of a client; it changes nothing. The rules are Kafka's (4.2.1: UnifiedLog's
// analyzeAndValidateProducerState, ProducerAppendInfo.checkProducerEpoch and checkSequence):
//
//   - a batch equal in epoch, first and last sequence to one of the last five is a duplicate;
//   - an unknown producer id may begin with any sequence (its state may have expired, or its records been deleted);
//   - a lower epoch is INVALID_PRODUCER_EPOCH, a higher one must begin with sequence 0;
//   - otherwise the first sequence must follow the last, 2³¹−1 being followed by 0, or it is OUT_OF_ORDER_SEQUENCE_NUMBER.
//
// A repetition older than the last five is out of order too: Kafka has not answered DUPLICATE_SEQUENCE_NUMBER since 1.1. A control
// batch (a transaction marker) has no sequence: only its epoch counts.
func (s *State) Check(b *record.Batch) Verdict {
	if !b.Idempotent() {
		return Verdict{Kind: Append}
	}
	at, known := s.byID[b.ProducerID]
	if !known {
		return Verdict{Kind: Append}
	}
	e := &s.slots[at].entry
	if b.ProducerEpoch < e.Epoch {
		return refused(errcode.InvalidProducerEpoch, "producer %d comes with epoch %d, and the partition has seen %d",
			b.ProducerID, b.ProducerEpoch, e.Epoch)
	}
	if b.Control() {
		return Verdict{Kind: Append}
	}
	if b.ProducerEpoch > e.Epoch {
		if b.BaseSequence != 0 {
			return refused(errcode.OutOfOrderSequenceNumber, "producer %d begins epoch %d with sequence %d, not 0",
				b.ProducerID, b.ProducerEpoch, b.BaseSequence)
		}
		return Verdict{Kind: Append}
	}
	first, last := b.BaseSequence, b.LastSequence()
	for i := range e.Batches[:e.Count] {
		if a := &e.Batches[i]; a.FirstSequence == first && a.LastSequence == last {
			return Verdict{Kind: Duplicate, Base: a.BaseOffset, Last: a.LastOffset, Timestamp: a.Timestamp}
		}
	}
	if next := e.nextSequence(); first != next {
		return refused(errcode.OutOfOrderSequenceNumber, "producer %d, epoch %d comes with sequence %d where %d follows",
			b.ProducerID, b.ProducerEpoch, first, next)
	}
	return Verdict{Kind: Append}
}

func refused(code errcode.Code, format string, args ...any) Verdict {
	return Verdict{Kind: Refused, Code: code, Message: fmt.Sprintf(format, args...)}
}

// nextSequence is the sequence that must follow: 0 where only the epoch is known.
func (e *Entry) nextSequence() int32 {
	if e.Count == 0 {
		return 0
	}
	return record.AddSequence(e.Batches[e.Count-1].LastSequence, 1)
}

// Appended remembers a batch to which offsets are assigned; wall is the broker's time. It is for every batch that enters the log, by
// whatever way: a follower's and recovery's batches were checked by a leader, so nothing is checked here, and a gap or a lower epoch
// is taken as it comes.
func (s *State) Appended(b *record.Batch, wall record.UnixMillis) {
	if !b.Idempotent() {
		return
	}
	e := s.touch(b.ProducerID, wall)
	if e.Epoch != b.ProducerEpoch {
		*e = Entry{ID: b.ProducerID, Epoch: b.ProducerEpoch}
	}
	if b.Control() {
		return
	}
	if e.Count == Window {
		copy(e.Batches[:], e.Batches[1:])
		e.Count--
	}
	e.Batches[e.Count] = Appended{
		FirstSequence: b.BaseSequence, LastSequence: b.LastSequence(),
		BaseOffset: b.BaseOffset, LastOffset: b.LastOffset(), Timestamp: b.MaxTimestamp,
	}
	e.Count++
}

// Len is the number of producer ids known.
func (s *State) Len() int { return len(s.byID) }

// Lookup returns what is known of one producer id.
func (s *State) Lookup(id record.ProducerID) (Entry, bool) {
	at, known := s.byID[id]
	if !known {
		return Entry{}, false
	}
	return s.slots[at].entry, true
}

// Entries returns all that is known, by rising producer id: what a snapshot holds.
func (s *State) Entries() []Entry {
	entries := make([]Entry, 0, len(s.byID))
	for at := range s.inUse {
		entries = append(entries, s.slots[at].entry)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.ID, b.ID) })
	return entries
}

// Restore forgets everything and takes entries as what is known. They count as used at wall: a restart gives an idle producer a new
// term, where Kafka goes by the timestamps in its batches, which a producer may set as it likes.
func (s *State) Restore(entries []Entry, wall record.UnixMillis) {
	*s = State{}
	for i := range entries {
		*s.touch(entries[i].ID, wall) = entries[i]
	}
}

// Expire forgets the producers that have appended nothing for afterMs or longer at the time wall, and says how many those were. A
// clock set back expires nobody.
func (s *State) Expire(wall record.UnixMillis, afterMs int64) int {
	forgotten := 0
	for len(s.byID) > 0 && int64(wall-s.slots[s.oldest].lastUse) >= afterMs {
		s.forget(s.oldest)
		forgotten++
	}
	return forgotten
}

// NextExpiry returns the time at which Expire(…, afterMs) will forget something, if there is anything to forget.
func (s *State) NextExpiry(afterMs int64) (record.UnixMillis, bool) {
	if len(s.byID) == 0 {
		return 0, false
	}
	return s.slots[s.oldest].lastUse + record.UnixMillis(afterMs), true
}

// inUse yields the used slots from the oldest to the newest.
func (s *State) inUse(yield func(at int32) bool) {
	if len(s.byID) == 0 {
		return
	}
	for at := s.oldest; at != none; at = s.slots[at].newer {
		if !yield(at) {
			return
		}
	}
}

// touch returns the entry of id, new or not, and makes it the newest.
func (s *State) touch(id record.ProducerID, wall record.UnixMillis) *Entry {
	at, known := s.byID[id]
	if known {
		s.unlink(at)
	} else {
		at = s.take()
		s.slots[at].entry = Entry{ID: id, Epoch: record.NoProducerEpoch}
	}
	slot := &s.slots[at]
	slot.lastUse, slot.older, slot.newer = wall, none, none
	if len(s.byID) == 0 || known && len(s.byID) == 1 {
		s.oldest = at
	} else {
		slot.older = s.newest
		s.slots[s.newest].newer = at
		// The wall clock may be set back; Invariant: lastUse does not fall along the list.
		slot.lastUse = max(wall, s.slots[s.newest].lastUse)
	}
	s.newest = at
	s.byID[id] = at
	return &slot.entry
}

// take finds a slot for a new id, forgetting the oldest id if there are too many.
func (s *State) take() int32 {
	if s.byID == nil {
		s.byID = map[record.ProducerID]int32{}
	}
	if len(s.byID) >= MaxIDs {
		s.forget(s.oldest)
	}
	if n := len(s.free); n > 0 {
		at := s.free[n-1]
		s.free = s.free[:n-1]
		return at
	}
	s.slots = append(s.slots, slot{})
	return int32(len(s.slots) - 1)
}

func (s *State) forget(at int32) {
	s.unlink(at)
	delete(s.byID, s.slots[at].entry.ID)
	s.free = append(s.free, at)
}

// unlink takes a slot out of the list of use.
func (s *State) unlink(at int32) {
	slot := &s.slots[at]
	if slot.older == none {
		s.oldest = slot.newer
	} else {
		s.slots[slot.older].newer = slot.newer
	}
	if slot.newer == none {
		s.newest = slot.older
	} else {
		s.slots[slot.newer].older = slot.older
	}
}
