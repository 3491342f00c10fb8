package main

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// produce writes to one or several partitions: mostly what is right, and all that a producer can get wrong.
func (g *generator) produce() *op {
	req := kmsg.NewPtrProduceRequest()
	g.version(req)
	if g.chance(12) {
		req.Version = pick(g, int16(3), 7, 8, 9)
	}
	req.Acks, req.TimeoutMillis = pick(g, int16(-1), -1, 1, 1, 1), 10000
	if g.chance(15) {
		req.Acks = pick(g, int16(0), 0, 7, -2, 2)
	}
	type sent struct {
		part *partition
		b    *made
	}
	var all []sent
	var notes []string
	for _, t := range distinct(1+g.IntN(2)*g.IntN(3), g.topicMaybe) {
		out := kmsg.NewProduceRequestTopic()
		out.Topic, out.TopicID = t.name, t.id()
		numbers, parts := g.someParts(t, 1+g.IntN(2)*g.IntN(3))
		for i := range numbers {
			b := g.made(t, parts[i])
			g.known.rolled[t.name] = g.known.rolled[t.name] || slices.ContainsFunc(outOfTime, func(how string) bool { return strings.Contains(b.how, how) })
			p := kmsg.NewProduceRequestTopicPartition()
			p.Partition, p.Records = numbers[i], b.bytes
			out.Partitions, all = append(out.Partitions, p), append(all, sent{parts[i], b})
			notes = append(notes, fmt.Sprintf("%s/%d %s", t.name, numbers[i], b.how))
		}
		req.Topics = append(req.Topics, out)
	}
	if req.Version >= 3 && g.chance(60) {
		req.TransactionID = kmsg.StringPtr("nobody")
	}
	o := &op{req: req, note: strings.Join(notes, ", "), fenced: req.Acks == 0}
	if req.Acks == 0 {
		for _, s := range all { // nobody tells where they went: the partition's end is not known for sure until the next answer
			if s.b.good {
				s.part.end += int64(s.b.count)
			}
		}
		return o
	}
	o.then = func(resp kmsg.Response) {
		i := 0
		for _, t := range resp.(*kmsg.ProduceResponse).Topics {
			for _, p := range t.Partitions {
				if i < len(all) && p.ErrorCode == 0 {
					all[i].b.taken(all[i].part, p.BaseOffset)
				}
				i++
			}
		}
	}
	return o
}

// made is a batch for a partition.
type made struct {
	bytes    []byte
	count    int
	times    []int64
	good     bool
	how      string // what is wrong with it
	producer *producer
	sequence int32
}

// taken notes that a broker has taken the batch.
func (m *made) taken(p *partition, base int64) {
	p.end = max(p.end, base+int64(m.count))
	p.times = append(p.times, m.times...)
	if m.producer != nil {
		m.producer.next[p] = m.sequence + int32(m.count)
		m.producer.last[p] = m.bytes
	}
}

func (g *generator) made(t *topic, p *partition) *made {
	if g.chance(60) {
		return &made{how: "no batch", bytes: pick(g, []byte{}, []byte{}, []byte("short"), []byte("not a batch"), make([]byte, 61), make([]byte, 17))}
	}
	var records []rec
	size := 1 + g.IntN(40)
	if g.chance(20) {
		size = 300 + g.IntN(3000)
	}
	now := g.now + g.Int64N(2000) - 1000
	if g.chance(4) {
		now -= g.Int64N(3_600_000)
	}
	m := &made{good: true}
	for i := range 1 + g.IntN(6) {
		r := rec{value: []byte(strings.Repeat(string(rune('a'+g.IntN(26))), size)), timeDelta: g.Int64N(50), offsetDelta: int64(i)}
		if g.chance(2) {
			r.key = fmt.Appendf(nil, "key%d", g.IntN(9))
		}
		if g.chance(8) {
			r.value = nil
		}
		if g.chance(8) {
			r.headers = []string{"h", ""}
		}
		records = append(records, r)
		m.times = append(m.times, now+r.timeDelta)
	}
	b := newBatch(now, records)
	m.count = len(records)
	if g.chance(3) {
		b.attributes |= int16(1 + g.IntN(4))
	}
	if len(g.producers) > 0 && g.chance(3) {
		g.sequence(b, m, p)
		if m.bytes != nil {
			return m
		}
	}
	if g.chance(3) {
		m.good = false
		before := m.how
		if m.bytes, m.how = g.wrong(b, t); before != "" {
			m.how = before + " and " + m.how
		}
		return m
	}
	m.bytes = b.encode()
	return m
}

// sequence gives a batch a producer: in order, again, with a gap, of an older or newer epoch.
func (g *generator) sequence(b *batch, m *made, p *partition) {
	who := g.producers[g.IntN(len(g.producers))]
	b.producer, b.prodEpoch, b.sequence = who.id, who.epoch, who.next[p]
	switch g.IntN(12) {
	case 0:
		if last := who.last[p]; last != nil {
			m.how = "sent again"
			m.bytes, m.count = slices.Clone(last), int(int32(binary.BigEndian.Uint32(last[atCount:])))
			return
		}
	case 1:
		m.how = "sequence gap"
		b.sequence += pick(g, int32(1), 5, -1, -2)
	case 2:
		m.how = "producer epoch"
		b.prodEpoch += pick(g, int16(-1), 1)
		b.sequence = pick(g, 0, b.sequence)
	case 3:
		m.how = "odd sequence"
		b.sequence = pick(g, int32(0), 1<<31-1, 1<<31-2, -1)
	case 4:
		m.how = "unknown producer"
		b.producer = pick(g, int64(77_777), 88_888)
		b.sequence = pick(g, int32(0), 3)
		b.prodEpoch = pick(g, int16(0), 2)
	}
	m.sequence = b.sequence
	if b.producer == who.id && b.prodEpoch == who.epoch {
		m.producer = who
	}
}

// wrongs are the ways in which a batch can be wrong, or just unusual: some of them brokers take.
var wrongs = []struct {
	name string
	make func(g *generator, b *batch, t *topic) []byte
}{
	{"CRC", func(g *generator, b *batch, _ *topic) []byte { return flip(b.encode(), atCRC) }},
	{"a flipped bit", func(g *generator, b *batch, _ *topic) []byte {
		out := b.encode()
		return flip(out, atAttributes+g.IntN(len(out)-atAttributes))
	}},
	{"magic", func(g *generator, b *batch, _ *topic) []byte {
		return set8(b.encode(), atMagic, pick(g, byte(0), 1, 3, 255))
	}},
	{"length off", func(g *generator, b *batch, _ *topic) []byte {
		return lieAboutLength(b.encode(), pick(g, int32(1), -1, 13, -40, 1<<30))
	}},
	{"length wrong", func(g *generator, b *batch, _ *topic) []byte {
		return setLength(b.encode(), pick(g, int32(0), -1, 48, 49, 1<<31-1))
	}},
	{"cut", func(g *generator, b *batch, _ *topic) []byte { out := b.encode(); return out[:g.IntN(len(out))] }},
	{"bytes behind", func(g *generator, b *batch, _ *topic) []byte {
		return append(b.encode(), make([]byte, 1+g.IntN(20))...)
	}},
	{"two batches", func(g *generator, b *batch, _ *topic) []byte { return append(b.encode(), b.encode()...) }},
	{"last delta", func(g *generator, b *batch, _ *topic) []byte {
		b.lastDelta += pick(g, int32(1), -1, 100, -100)
		return b.encode()
	}},
	{"count off", func(g *generator, b *batch, _ *topic) []byte {
		b.count += pick(g, int32(1), -1, 100, -100)
		return b.encode()
	}},
	{"count wrong", func(g *generator, b *batch, _ *topic) []byte {
		b.count = pick(g, int32(0), -1, 1<<31-1)
		return b.encode()
	}},
	{"no records", func(g *generator, b *batch, _ *topic) []byte {
		b.records, b.count, b.lastDelta = nil, 0, pick(g, int32(0), -1)
		return b.encode()
	}},
	{"offset delta", func(g *generator, b *batch, _ *topic) []byte {
		b.records[g.IntN(len(b.records))].offsetDelta += pick(g, int64(1), -1, 7)
		return b.encode()
	}},
	{"record length", func(g *generator, b *batch, _ *topic) []byte {
		b.records[g.IntN(len(b.records))].lie = pick(g, int64(1), -1, 50, 1<<33, -1000)
		return b.encode()
	}},
	{"base offset", func(g *generator, b *batch, _ *topic) []byte {
		b.baseOffset = pick(g, int64(1), -1, 1000)
		return b.encode()
	}},
	{"epoch", func(g *generator, b *batch, _ *topic) []byte { b.epoch = pick(g, int32(0), 5, -2); return b.encode() }},
	{"unknown codec", func(g *generator, b *batch, _ *topic) []byte {
		out := b.encode()
		set8(out, 22, out[22]&^7|pick(g, byte(5), 6, 7))
		reseal(out)
		return out
	}},
	{"other codec", func(g *generator, b *batch, _ *topic) []byte {
		out := b.encode()
		set8(out, 22, out[22]&^7|pick(g, byte(1), 2, 3, 4))
		reseal(out)
		return out
	}},
	{"attribute bits", func(g *generator, b *batch, _ *topic) []byte {
		b.attributes |= pick(g, int16(8), 16, 32, 64, 128, 1<<14)
		return b.encode()
	}},
	{"max timestamp", func(g *generator, b *batch, _ *topic) []byte {
		b.maxTime = pick(g, b.time-1, -1, b.maxTime+1000, 0)
		return b.encode()
	}},
	{"time before 1970", func(g *generator, b *batch, _ *topic) []byte { return g.times(b, pick(g, int64(-1), -2, 0, 1, -1000)) }},
	{"future", func(g *generator, b *batch, _ *topic) []byte {
		return g.times(b, g.now+pick(g, int64(7_200_000), 1<<42))
	}},
	{"past", func(g *generator, b *batch, _ *topic) []byte {
		return g.times(b, g.now-pick(g, int64(86_400_000), 30*86_400_000))
	}},
	{"time delta", func(g *generator, b *batch, _ *topic) []byte {
		b.records[g.IntN(len(b.records))].timeDelta += pick(g, int64(7_200_000), -7_200_000)
		return b.encode()
	}},
	{"too large", func(g *generator, b *batch, t *topic) []byte { return tooLarge(b, t) }},
	{"producer without sequence", func(g *generator, b *batch, _ *topic) []byte {
		b.producer, b.prodEpoch, b.sequence = 5, pick(g, int16(-1), 0), -1
		return b.encode()
	}},
	{"sequence without producer", func(g *generator, b *batch, _ *topic) []byte {
		b.producer, b.prodEpoch, b.sequence = -1, 0, 0
		return b.encode()
	}},
}

// outOfTime are those that may begin a new segment.
var outOfTime = []string{"past", "future", "time before 1970", "time delta", "max timestamp"}

func (g *generator) wrong(b *batch, t *topic) (bytes []byte, how string) {
	w := wrongs[g.IntN(len(wrongs))]
	return w.make(g, b, t), w.name
}

func (g *generator) times(b *batch, base int64) []byte {
	b.maxTime += base - b.time
	b.time = base
	return b.encode()
}

func tooLarge(b *batch, t *topic) []byte {
	b.attributes &^= 7
	b.records[0].value = make([]byte, max(t.maxBytes, 100))
	return b.encode()
}

func flip(b []byte, at int) []byte { b[at] ^= 1; return b }

func set8(b []byte, at int, to byte) []byte { b[at] = to; return b }

func lieAboutLength(b []byte, by int32) []byte {
	return setLength(b, int32(binary.BigEndian.Uint32(b[atLength:]))+by)
}

func setLength(b []byte, to int32) []byte {
	binary.BigEndian.PutUint32(b[atLength:], uint32(to))
	return b
}
