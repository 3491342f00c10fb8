package sim

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
	"odradek/core/record"
)

// ledger is what clients gave, what they were told, and what they read. It knows nothing of cores and disks, only what a user could write down, and how often
// the power failed: a relaxed topic may lose records then, and only then.
type ledger struct {
	w         *World
	topics    [][]partLedger
	records   [][]given // by client, in the order given
	names     map[string]place
	acked     int
	batchMost record.Offset // records of the largest batch that was sent
	read      int
	powers    int // power losses so far
	scratch   []byte
}

// partLedger is one partition.
type partLedger struct {
	ackedEnd record.Offset // what every acknowledged record lies below
	start    record.Offset // highest log start: a power loss may bring back what retention has deleted, when a reader has gone on already
	served   byOffset
	last     []lastRead // what the last reader read, in order
	hurts    []span     // offsets that damage has hit
	posed    []span     // offsets that damaged headers say they are of
	harms    []harm     // of several nodes: where that damage lies
	hurtBy   *node      // on whose disk
	passed   []span     // what the last reader passed over, told that it is damaged, or finding so
	wasHurt  bool       // some was mended: bytes of it may still be on their way to readers
	ledHurt  bool       // a damaged replica has led: of what it lost, and of its producers, nothing is known there
	doubts   int        // wrong reads whose outcome nobody has seen yet
}

// byOffset holds records by offset. Behind a damaged end a log may go on far away.
type byOffset struct {
	near []served
	far  map[record.Offset]*served
}

// nearMax bounds the offsets that lie close together.
const nearMax = 1 << 20

func (b *byOffset) at(offset record.Offset) *served {
	if offset < nearMax {
		for int(offset) >= len(b.near) {
			b.near = append(b.near, served{})
		}
		return &b.near[offset]
	}
	if b.far == nil {
		b.far = map[record.Offset]*served{}
	}
	if b.far[offset] == nil {
		b.far[offset] = new(served)
	}
	return b.far[offset]
}

// lastRead is a record as the last reader read it.
type lastRead struct {
	offset record.Offset
	served
}

// lastAt returns what the last reader read at an offset; nothing if it read none there.
func (p *partLedger) lastAt(offset record.Offset) served {
	i, ok := slices.BinarySearchFunc(p.last, offset, func(r lastRead, at record.Offset) int { return cmp.Compare(r.offset, at) })
	if !ok {
		return served{}
	}
	return p.last[i].served
}

// served is a record as it was read.
type served struct {
	hash   uint64 // 0: never
	name   string
	powers int // power losses before it was read
}

// given is one record that a client gave.
type given struct {
	partition int32
	name      string
	hash      uint64
	timestamp record.UnixMillis
	acked     bool
	refused   bool
	offset    record.Offset // NoOffset: the client was not told
	powers    int           // power losses before the process that acknowledged it
	safe      bool          // a clean stop has synced it
	epoch     record.Epoch  // of the partition's leader when it was given, as far as anybody knew
}

// place says where a record was given.
type place struct{ client, index int }

func (l *ledger) init(w *World) {
	l.w, l.names = w, map[string]place{}
	for _, t := range w.opt.Topics {
		l.topics = append(l.topics, make([]partLedger, t.Partitions))
	}
	l.records = make([][]given, len(w.opt.Clients))
}

func (l *ledger) part(topic int, partition int32) *partLedger { return &l.topics[topic][partition] }

// give enters a record. id is its place in the client's order, from 1.
func (l *ledger) give(c *client, id uint64, partition int32, m *proto.Message) {
	g := given{partition: partition, name: nameOf(m.Key, m.Value), hash: l.hash(c.topic, m.Key, m.Value, m.Headers, m.Timestamp), timestamp: m.Timestamp, offset: record.NoOffset, epoch: l.w.epochOf(c.topic.Name, partition)}
	l.names[g.name] = place{int(c.id), len(l.records[c.id])}
	l.records[c.id] = append(l.records[c.id], g)
	l.w.past.given(c)
	if len(l.records[c.id]) != int(id) {
		panic("a producer does not number its records from 1")
	}
}

// delivered enters what the client was told of one record.
func (l *ledger) delivered(c *client, id uint64, partition int32, offset record.Offset, code errcode.Code, powers int) {
	g := &l.records[c.id][id-1]
	switch {
	case g.acked || g.refused:
		l.w.fail(Correctness, "delivery", fmt.Sprintf("%s: %s is delivered twice", c.name, g.name))
	case partition != g.partition:
		l.w.fail(Correctness, "delivery", fmt.Sprintf("%s: %s was given to partition %d and is delivered to %d", c.name, g.name, g.partition, partition))
	case code != errcode.None:
		g.refused = true
		if part := l.part(c.opt.Topic, g.partition); len(part.hurts) == 0 && !part.ledHurt { // with its batches the broker lost what it knew of the producer
			l.w.fail(Correctness, "refused", fmt.Sprintf("%s: %s is refused for good: %v", c.name, g.name, code))
		}
	default:
		g.acked, g.offset, g.powers = true, offset, powers
		l.acked++
		if (c.topic.Durable() || powers == l.powers) && (c.opt.Acks < 0 || l.w.alone()) {
			p := l.part(c.opt.Topic, partition)
			p.ackedEnd = max(p.ackedEnd, offset+1)
		}
	}
}

// powerLost counts a loss. Watermarks of relaxed topics prove nothing any more.
func (l *ledger) powerLost() {
	l.powers++
	for i := range l.topics {
		if l.w.opt.Topics[i].Durable() {
			continue
		}
		for j := range l.topics[i] {
			l.topics[i][j].ackedEnd = 0
		}
	}
}

// stopped enters a clean stop: what was acknowledged since the last power loss is synced, but in directories that were given up.
func (l *ledger) stopped(lost func(topic string, partition int32) bool) {
	for i := range l.records {
		topic := l.w.opt.Topics[l.w.opt.Clients[i].Topic].Name
		for j := range l.records[i] {
			if g := &l.records[i][j]; g.acked && g.powers == l.powers && !lost(topic, g.partition) {
				g.safe = true
			}
		}
	}
}

// served enters one record that a reader got, and checks that its offset held the same before. powers counts the losses before the process that
// served it: a relaxed topic may serve something else after one.
func (l *ledger) served(topic int, partition int32, r *proto.Received, powers int) {
	l.read++
	t := &l.w.opt.Topics[topic]
	s := l.seen(t, r, powers)
	p := l.part(topic, partition)
	old := p.served.at(r.Offset)
	replaced := !l.w.alone() && l.w.epochOf(t.Name, partition) > 0 // one that lost its end may lead where others had it
	if old.hash != 0 && old.hash != s.hash && (t.Durable() || old.powers == powers && !replaced) {
		l.w.fail(Correctness, "R4", fmt.Sprintf("%s-%d: offset %d was read as %q and is now %q", t.Name, partition, r.Offset, old.name, s.name))
	}
	if old.hash == 0 || powers >= old.powers {
		*old = s
	}
	l.check(topic, partition, r.Offset, &s)
}

// check compares a record that was read with what was given under its name.
func (l *ledger) check(topic int, partition int32, offset record.Offset, s *served) {
	at, ok := l.names[s.name]
	t := l.w.opt.Topics[topic].Name
	if !ok {
		l.w.fail(Correctness, "S2", fmt.Sprintf("%s-%d: offset %d holds %q, which nobody gave", t, partition, offset, s.name))
		return
	}
	g := &l.records[at.client][at.index]
	if g.hash != s.hash || g.partition != partition || l.w.clients[at.client].opt.Topic != topic {
		l.w.fail(Correctness, "S2", fmt.Sprintf("%s-%d: offset %d holds %q, which was given otherwise", t, partition, offset, s.name))
	}
}

// last enters what the last reader got.
func (l *ledger) last(topic int, partition int32, r *proto.Received) {
	p := l.part(topic, partition)
	p.last = append(p.last, lastRead{r.Offset, l.seen(&l.w.opt.Topics[topic], r, l.powers)})
}

func (l *ledger) seen(t *TopicOptions, r *proto.Received, powers int) served {
	return served{hash: l.hash(t, r.Key, r.Value, r.Headers, r.Timestamp), name: nameOf(r.Key, r.Value), powers: powers}
}

// nameOf is the part of a record that no other has.
func nameOf(key, value []byte) string {
	if value == nil {
		return string(key)
	}
	name, _, _ := bytes.Cut(value, []byte{0})
	return string(name)
}

// hash covers everything of a record that must come back as it was given.
func (l *ledger) hash(t *TopicOptions, key, value []byte, headers []record.Header, at record.UnixMillis) uint64 {
	if t.AppendTime {
		at = 0 // the broker's
	}
	b := fmt.Appendf(l.scratch[:0], "%d %t %t %d %d %d|", at, key == nil, value == nil, len(key), len(value), len(headers))
	b = append(append(b, key...), value...)
	for _, h := range headers {
		b = fmt.Appendf(b, "|%t %d %d|%s%s", h.Value == nil, len(h.Key), len(h.Value), h.Key, h.Value)
	}
	l.scratch = b
	return xxhash.Sum64(b) | 1
}
