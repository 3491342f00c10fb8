package sim

import (
	"fmt"

	"odradek/core/api"
	"odradek/core/record"
)

// judge compares what the last readers read with what was promised.
func (l *ledger) judge() {
	for topic := range l.topics {
		for partition := range l.topics[topic] {
			l.judgePartition(topic, int32(partition))
		}
	}
	for client := range l.batches {
		for i := range l.batches[client] {
			l.judgeBatch(client, &l.batches[client][i])
		}
	}
}

// judgeBatch: an acknowledged record is at the offset that was told, with the bytes that were given, unless its topic allows it to be lost.
func (l *ledger) judgeBatch(client int, g *given) {
	c := l.w.clients[client]
	if !g.acked {
		l.w.fail(Correctness, "L1", fmt.Sprintf("%s was never delivered", g.names[0]))
		return
	}
	if !c.topic.Durable() && !g.safe && g.powers < l.powers {
		return // the power has failed since, and the topic promises nothing for that
	}
	last := l.part(c.opt.Topic, g.partition).last
	for i, name := range g.names {
		at := int(g.offset) + i
		switch {
		case at >= len(last):
			l.w.fail(Correctness, "R9", fmt.Sprintf("%s-%d: %s was acknowledged at offset %d; the log ends at %d", c.topic.Name, g.partition, name, at, len(last)))
		case last[at].hash != g.hashes[i]:
			l.w.fail(Correctness, "R9", fmt.Sprintf("%s-%d: %s was acknowledged at offset %d, which holds %s", c.topic.Name, g.partition, name, at, last[at].name))
		}
	}
}

// judgePartition: records of one producer are in the order given, and each is there once, as far as the producer's settings promise it.
func (l *ledger) judgePartition(topic int, partition int32) {
	next := make([]place, len(l.batches)) // the record that may come at the earliest, by client
	count := map[string]int{}
	t := &l.w.opt.Topics[topic]
	for offset, s := range l.part(topic, partition).last {
		at := l.names[s.name]
		o := l.w.clients[at.client].opt
		if count[s.name]++; count[s.name] > 1 {
			if o.Idempotent {
				l.w.fail(Correctness, "P1", fmt.Sprintf("%s-%d: %s is there twice, again at offset %d", t.Name, partition, s.name, offset))
			}
			continue
		}
		if !o.Idempotent && o.InFlight > 1 {
			continue // several under way and no sequence: a retry may overtake
		}
		if n := next[at.client]; at.batch < n.batch || at.batch == n.batch && at.index < n.index {
			l.w.fail(Correctness, "order", fmt.Sprintf("%s-%d: %s at offset %d comes after what was given behind it", t.Name, partition, s.name, offset))
		}
		next[at.client] = place{at.client, at.batch, at.index + 1}
	}
}

// checkDurable is asked when an acknowledgement of a durable topic is about to leave: the platter must have the batch, whatever the core believes. It
// reads what the disk would have after a power loss that kept nothing else.
func (n *node) checkDurable(r *api.ProduceResult, sent *record.Batch) {
	if !n.w.durable(r.Topic) {
		return
	}
	folder := fmt.Sprintf("%s-%d", r.Topic, r.Partition)
	names, _ := n.disk.DurableNames(folder)
	file := ""
	want := fmt.Sprintf("%020d.log", r.BaseOffset)
	for _, name := range names {
		if len(name) == len(want) && name <= want {
			file = name
		}
	}
	data, _ := n.disk.DurableData(folder + "/" + file)
	it := record.Batches(data)
	for it.Next() {
		b := &it.Batch
		if b.BaseOffset != r.BaseOffset {
			continue
		}
		if err := b.CheckCRC(); err != nil {
			n.w.fail(Correctness, "durable", fmt.Sprintf("%s: the batch acknowledged at offset %d is damaged on the platter: %v", folder, r.BaseOffset, err))
		} else if !same(b, sent) {
			n.w.fail(Correctness, "durable", fmt.Sprintf("%s: at offset %d the platter has another batch than was acknowledged", folder, r.BaseOffset))
		}
		return
	}
	n.w.fail(Correctness, "durable", fmt.Sprintf("%s: the batch acknowledged at offset %d is not on the platter", folder, r.BaseOffset))
}

// same reports whether a stored batch is the one that was sent. A retry of an idempotent producer may have been stamped anew, and then only its number
// tells.
func same(stored, sent *record.Batch) bool {
	if sent.Idempotent() {
		return stored.ProducerID == sent.ProducerID && stored.ProducerEpoch == sent.ProducerEpoch && stored.BaseSequence == sent.BaseSequence &&
			stored.Count == sent.Count
	}
	return stored.CRC == sent.CRC
}

func (w *World) durable(topic string) bool {
	for i := range w.opt.Topics {
		if w.opt.Topics[i].Name == topic {
			return w.opt.Topics[i].Durable()
		}
	}
	return false
}
