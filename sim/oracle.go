package sim

import (
	"fmt"
	"strings"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
)

// The oracles inside a world look at every event and at what it touched, and at nothing else. They know the contract of core/effects.go and Kafka's rules, not the
// core's code; what they remember of a stream is a few numbers, and outlives processes. The letters are those of docs/FAULTS.md.

// watched is what the oracles know of one stream.
type watched struct {
	node  *node
	name  string
	topic *TopicOptions // nil: no client's
	part  *partLedger

	// Of the process that runs.
	life      uint32
	hw, start record.Offset
	durable   record.Offset // what the host has told to be durable, or recovery to be committed
	behind    Time          // since when it tells less than was acknowledged; 0: it does not
	producers map[record.ProducerID]sequence
	batches   map[record.Offset]uint32 // CRCs as they were served
	powers    int                      // power losses before they were

	// Of all processes.
	promised record.Offset // told to be durable
	outlive  map[record.ProducerID]lastOf
	pointed  int // power losses before its last Checkpoint
	deleted  bool
	cutting  uint32            // the process that has a cut of it under way; 0: none
	cutTo    stream.Generation // that a cut began: what is told of earlier ones does not count
}

// sequence is where a producer has come to.
type sequence struct {
	epoch int16
	next  int32
	last  record.Offset
}

// watch returns what is known of a stream; nil for the metadata log, or where oracles inside are switched off.
func (n *node) watch(id stream.ID) *watched {
	if n.w.cfg.BlackBox || id == stream.Metadata {
		return nil
	}
	o := n.watched[id]
	if o == nil {
		o = &watched{node: n, name: id.String()}
		n.watched[id] = o
	}
	if o.life != n.life {
		o.life, o.hw, o.start, o.durable, o.behind, o.producers, o.cutTo = n.life, 0, 0, 0, 0, nil, 0
	}
	return o
}

// named says which topic a stream is of.
func (o *watched) named(n *node, topic string, partition int32) {
	if o.topic != nil || o.part != nil {
		return
	}
	o.name = fmt.Sprintf("%s-%d", topic, partition)
	for i := range n.w.opt.Topics {
		if t := &n.w.opt.Topics[i]; t.Name == topic {
			o.topic, o.part = t, n.w.ledger.named(topic, partition)
		}
	}
}

// hurt reports whether damage has hit the stream: then little can be told from outside.
func (o *watched) hurt() bool { return o.part != nil && o.part.hurtHere(o.node) }

func (n *node) broken(oracle string, o *watched, format string, args ...any) {
	n.w.fail(Correctness, oracle, o.name+": "+fmt.Sprintf(format, args...))
}

// observe is shown every event of the core with its effects.
func (n *node) observe(ev *core.Event) {
	n.checkRefused(ev)
	n.checkGivenUp(ev)
	n.observeQuorum(ev)
	n.observeReplicas()
	switch ev.Kind {
	case core.EvRequest:
		n.hear(ev.Request)
		n.checkParked(ev)
	case core.EvDurable, core.EvCheckpointed:
		if o := n.watch(ev.Stream); o != nil && ev.Generation >= o.cutTo { // else what it tells of is being cut
			if ev.Kind == core.EvCheckpointed {
				o.pointed = n.powers
			}
			o.durable, o.promised = max(o.durable, ev.UpTo), max(o.promised, ev.UpTo)
			n.ends(ev.Stream, o)
		}
	case core.EvTruncated:
		if o := n.watch(ev.Stream); o != nil {
			o.cutting = 0
		}
		n.w.mendedAll()
	case core.EvWritten:
		if o := n.watch(ev.Stream); o != nil {
			n.ends(ev.Stream, o)
		}
	}
	for i := range n.p.fx.Stores {
		if strings.HasPrefix(n.p.fx.Stores[i].Slot.Name, "__cluster_metadata") && strings.HasSuffix(n.p.fx.Stores[i].Slot.Name, ".checkpoint") {
			n.w.reach(markSnapshot)
		}
	}
	for i := range n.p.fx.Disk {
		op := &n.p.fx.Disk[i]
		if op.Kind == core.DiskAppend && !n.w.cfg.BlackBox {
			n.checkTimestamps(op.Stream.String(), &op.Batch)
		}
		o := n.watch(op.Stream)
		if o == nil {
			continue
		}
		switch op.Kind {
		case core.DiskAppend:
			if op.Copied {
				o.forgets(&op.Batch)
			}
			n.appended(o, &op.Batch)
		case core.DiskRoll:
			n.w.reach(markRolled)
		case core.DiskTruncate: // what a follower had besides its leader
			o.promised, o.durable = min(o.promised, op.To), min(o.durable, op.To)
			o.producers, o.outlive, o.cutting, o.cutTo = nil, nil, n.life, op.Generation
			if o.topic == nil || !o.topic.Durable() {
				o.batches = nil // who leads now has lost some of what this node served, as one of a relaxed topic may
			}
		case core.DiskDelete:
			o.deleted = o.deleted || op.All
			n.checkDeleted(op, o)
		}
		n.ends(op.Stream, o)
	}
}

// ends checks R6, the order of a stream's ends and that they never go back; and R9: in durable mode nothing is committed that was not told to be durable.
func (n *node) ends(id stream.ID, o *watched) {
	s, ok := n.p.core.Look(id)
	if !ok {
		return
	}
	o.named(n, s.Topic, id.Partition)
	switch {
	case s.LogStart > s.HighWatermark || s.HighWatermark > s.LogEnd || s.Durable > s.LogEnd || s.Written > s.LogEnd:
		n.broken("R6", o, "log start %d, high watermark %d, durable %d, written %d, log end %d", s.LogStart, s.HighWatermark, s.Durable, s.Written, s.LogEnd)
	case (s.HighWatermark < o.hw || s.LogStart < o.start) && (n.w.alone() || o.topic != nil && o.topic.Durable() && !o.hurt() && !n.beginsAnew(&s)): // a replica of a relaxed topic follows a leader that has lost some, and one that is damaged, or behind what its leader deleted, begins anew
		n.broken("R6", o, "high watermark %d and log start %d go back from %d and %d", s.HighWatermark, s.LogStart, o.hw, o.start)
	case o.topic != nil && o.topic.Durable() && !s.Failed && s.HighWatermark > max(o.durable, s.LogStart) && (s.Leading || n.w.alone()): // a follower hears of it before its own disk is done
		n.broken("R9", o, "the high watermark is %d, and no more than offsets below %d are durable", s.HighWatermark, o.durable)
	}
	o.hw, o.start = s.HighWatermark, s.LogStart
	if o.part != nil {
		o.part.start = max(o.part.start, s.LogStart)
	}
}

// appended checks what a producer may have in a log: sequences one after another (P2), none twice (P1), no epoch after a later one (P3).
func (n *node) appended(o *watched, b *record.Batch) {
	if !b.Idempotent() || b.Control() {
		return
	}
	was, known := o.producers[b.ProducerID]
	ahead := int64(b.BaseSequence) - int64(was.next) // numbers go round: 0 follows 2³¹−1
	if ahead > 1<<30 {
		ahead -= 1 << 31
	} else if ahead < -1<<30 {
		ahead += 1 << 31
	}
	switch {
	case !known || o.hurt() || o.part != nil && o.part.ledHurt: // a leader that had lost some of it did not know
	case b.ProducerEpoch < was.epoch:
		n.broken("P3", o, "producer %d appends in epoch %d after %d", b.ProducerID, b.ProducerEpoch, was.epoch)
	case b.ProducerEpoch > was.epoch && b.BaseSequence != 0, b.ProducerEpoch == was.epoch && ahead > 0:
		n.broken("P2", o, "producer %d, epoch %d appends sequence %d, and %d of epoch %d follows", b.ProducerID, b.ProducerEpoch, b.BaseSequence, was.next, was.epoch)
	case b.ProducerEpoch == was.epoch && ahead < 0:
		n.broken("P1", o, "producer %d, epoch %d appends sequence %d again, at offset %d", b.ProducerID, b.ProducerEpoch, b.BaseSequence, b.BaseOffset)
	}
	if o.producers == nil {
		o.producers = map[record.ProducerID]sequence{}
	}
	next := record.AddSequence(b.LastSequence(), 1)
	if next < b.BaseSequence {
		n.w.reach(markSequenceWrapped)
	}
	o.producers[b.ProducerID] = sequence{b.ProducerEpoch, next, b.LastOffset()}
	if o.outlive == nil {
		o.outlive = map[record.ProducerID]lastOf{}
	}
	o.outlive[b.ProducerID] = lastOf{b.ProducerEpoch, b.LastOffset()}
}
