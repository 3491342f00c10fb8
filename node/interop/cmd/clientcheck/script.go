package main

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"odradek/clientlib"
	"odradek/clientlib/proto"
	"odradek/core/errcode"
	"odradek/core/record"
)

// player runs the script against one broker.
type player struct {
	c     *clientlib.Client
	a     *clientlib.Admin
	ctx   context.Context
	saw   []string
	wrong error
}

// play returns what was seen, a line a step.
func play(address string) ([]string, error) {
	c, err := clientlib.New(clientlib.Config{Bootstrap: address, Timeout: 20 * time.Second})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p := &player{c: c, a: c.Admin(), ctx: ctx}
	p.topics()
	p.configs()
	p.produce()
	p.consume()
	p.offsets()
	p.refusals()
	return p.saw, p.wrong
}

// see notes a step: what came of it, and the code of its error.
func (p *player) see(step, what string, err error) {
	text := step
	if what != "" {
		text += ": " + what
	}
	if err != nil {
		code := clientlib.Code(err)
		text += ": refused with " + code.String()
		if code == errcode.None {
			text += " (" + err.Error() + ")"
			p.wrong = fmt.Errorf("%s: %w", step, err)
		}
	}
	p.saw = append(p.saw, text)
}

func (p *player) topics() {
	made, err := p.a.CreateTopics(p.ctx, false, clientlib.NewTopic{Name: "a", Partitions: 3, ReplicationFactor: 1, Configs: []clientlib.ConfigValue{{Name: "retention.ms", Value: "86400000"}}},
		clientlib.NewTopic{Name: "b"}, clientlib.NewTopic{Name: "times", Partitions: 1})
	slices.SortFunc(made, func(x, y clientlib.Created) int { return strings.Compare(x.Name, y.Name) })
	p.see("create topics", fmt.Sprint(made), err)
	_, err = p.a.CreateTopics(p.ctx, false, clientlib.NewTopic{Name: "a"})
	p.see("create one that exists", "", err)
	_, err = p.a.CreateTopics(p.ctx, true, clientlib.NewTopic{Name: "c", ReplicationFactor: 3})
	p.see("create with 3 replicas on 1 broker", "", err)
	_, err = p.a.CreateTopics(p.ctx, false, clientlib.NewTopic{Name: "no good"})
	p.see("create with a bad name", "", err)
	_, err = p.a.CreateTopics(p.ctx, false, clientlib.NewTopic{Name: "d", Configs: []clientlib.ConfigValue{{Name: "retention.ms", Value: "soon"}}})
	p.see("create with a bad configuration", "", err)
	p.see("more partitions", "", p.settled(p.a.CreatePartitions(p.ctx, "b", 4), "b", 4))
	p.see("fewer partitions", "", p.a.CreatePartitions(p.ctx, "b", 1))
	topics, err := p.a.Topics(p.ctx)
	var names []string
	for _, t := range topics {
		names = append(names, fmt.Sprintf("%s/%d", t.Name, len(t.Partitions)))
	}
	p.see("list topics", strings.Join(names, " "), err)
	_, err = p.a.Topics(p.ctx, "none")
	p.see("describe one that there is not", "", err)
	gone, err := p.a.DeleteTopics(p.ctx, "b", "none")
	p.see("delete topics", fmt.Sprint(gone), err)
	cluster, err := p.a.Cluster(p.ctx)
	p.see("cluster", fmt.Sprintf("%d brokers, controller %d", len(cluster.Brokers), cluster.Controller), err)
	dirs, err := p.a.LogDirs(p.ctx)
	p.see("log directories", fmt.Sprint(len(dirs)), err)
}

// settled waits until a change shows in metadata: Kafka's broker follows its controller.
func (p *player) settled(err error, topic string, partitions int) error {
	for i := 0; err == nil && i < 100; i++ {
		topics, asking := p.a.Topics(p.ctx, topic)
		if asking == nil && len(topics[0].Partitions) == partitions {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func (p *player) configs() {
	of := clientlib.TopicResource("a")
	show := func(step string, keys ...string) {
		var entries []clientlib.ConfigEntry
		var err error
		var text []string
		for i := 0; i < 5; i++ { // Kafka's broker follows its controller
			entries, err = p.a.Configs(p.ctx, of, keys...)
			time.Sleep(50 * time.Millisecond)
		}
		for _, e := range entries {
			text = append(text, fmt.Sprintf("%s=%s %s", e.Name, *e.Value, e.Source))
		}
		p.see(step, strings.Join(text, ", "), err)
	}
	show("describe configurations", "retention.ms", "max.message.bytes", "cleanup.policy")
	p.see("alter", "", p.a.AlterConfigs(p.ctx, of, false, clientlib.ConfigChange{Name: "max.message.bytes", Value: "50000"}, clientlib.ConfigChange{Name: "retention.ms", Op: clientlib.ConfigDelete}))
	show("after it", "retention.ms", "max.message.bytes")
	p.see("alter, only validated", "", p.a.AlterConfigs(p.ctx, of, true, clientlib.ConfigChange{Name: "max.message.bytes", Value: "7"}))
	show("after it", "max.message.bytes")
	p.see("alter to no number", "", p.a.AlterConfigs(p.ctx, of, false, clientlib.ConfigChange{Name: "retention.ms", Value: "x"}))
	p.see("alter an unknown key", "", p.a.AlterConfigs(p.ctx, of, false, clientlib.ConfigChange{Name: "x.y", Value: "1"}))
	_, err := p.a.Configs(p.ctx, clientlib.TopicResource("none"))
	p.see("of no topic", "", err)
	entries, err := p.a.Configs(p.ctx, clientlib.BrokerResource(1), "node.id")
	p.see("of the broker", fmt.Sprintf("%d, read-only %v", len(entries), len(entries) == 1 && entries[0].ReadOnly), err)
}

var codecs = []record.CodecID{record.CodecNone, record.CodecGzip, record.CodecSnappy, record.CodecLZ4, record.CodecZstd}

// count is how many records each codec sends.
const count = 2000

func (p *player) produce() {
	for _, codec := range codecs {
		c, err := clientlib.New(clientlib.Config{Bootstrap: p.bootstrap(), Timeout: 20 * time.Second})
		if err != nil {
			p.see("connect", "", err)
			return
		}
		out, err := c.Producer(proto.ProducerConfig{Compression: codec, BatchSize: 4000})
		if err != nil {
			p.see("producer", "", err)
			return
		}
		delivered, failed := 0, error(nil)
		for i := range count {
			r := &clientlib.Record{Topic: "a", Partition: clientlib.NoPartition, Key: fmt.Appendf(nil, "key-%d", i%50), Value: fmt.Appendf(nil, "%d of codec %d %s", i, codec, strings.Repeat("x", i%97)),
				Headers: []clientlib.Header{{Key: "n", Value: fmt.Appendf(nil, "%d", i)}, {Key: "null"}}}
			if err := out.Send(p.ctx, r, func(_ clientlib.Sent, err error) {
				if err != nil {
					failed = err
					return
				}
				delivered++
			}); err != nil {
				failed = err
			}
		}
		if err := out.Flush(p.ctx); err != nil {
			failed = err
		}
		c.Close()
		p.see(fmt.Sprintf("produce with codec %d", codec), fmt.Sprint(delivered), failed)
	}
}

// bootstrap is the address of the broker.
func (p *player) bootstrap() string {
	cluster, err := p.a.Cluster(p.ctx)
	if err != nil || len(cluster.Brokers) != 1 {
		return "127.0.0.1:1"
	}
	return cluster.Brokers[0].Address
}

func (p *player) consume() {
	k, err := p.c.Consumer(proto.ConsumerConfig{Reset: proto.ResetNone})
	if err != nil {
		p.see("consumer", "", err)
		return
	}
	sums, counts, next := [3]uint32{}, [3]int{}, [3]int64{}
	for i := range int32(3) {
		k.Assign("a", i, proto.Earliest())
	}
	for total := 0; total < count*len(codecs); {
		records, err := k.Poll(p.ctx)
		if err != nil {
			p.see("consume", "", err)
			return
		}
		for i := range records {
			r := &records[i]
			if r.Offset != next[r.Partition] {
				p.see("consume", fmt.Sprintf("offset %d of partition %d where %d was due", r.Offset, r.Partition, next[r.Partition]), nil)
			}
			next[r.Partition] = r.Offset + 1
			counts[r.Partition]++
			sums[r.Partition] = crc32.Update(sums[r.Partition], crc32.IEEETable, fmt.Appendf(nil, "%s %s %s %v;", r.Key, r.Value, r.Headers[0].Value, r.Headers[1].Value == nil))
		}
		total += len(records)
	}
	p.see("consume", fmt.Sprintf("records %v, checksums %x", counts, sums), nil)
	k.Seek("a", 0, proto.At(1<<40))
	_, err = k.Poll(p.ctx)
	p.see("consume from beyond the end", "", err)
	k.Seek("a", 0, proto.Latest(2))
	records, err := k.Poll(p.ctx)
	p.see("the last 2", fmt.Sprintf("%d, %s", len(records), records[0].Value), err)
}

func (p *player) offsets() {
	out, err := p.c.Producer(proto.ProducerConfig{})
	if err != nil {
		p.see("producer", "", err)
		return
	}
	base := time.UnixMilli(time.Now().Add(-time.Hour).UnixMilli())
	for i := range 10 {
		s, err := out.SendWait(p.ctx, &clientlib.Record{Topic: "times", Partition: 0, Value: []byte("v"), Timestamp: base.Add(time.Duration(i) * time.Minute)})
		if err != nil || s.Offset != int64(i) {
			p.see("produce with a time", fmt.Sprint(s.Offset), err)
		}
	}
	at := clientlib.TopicPartition{Topic: "times"}
	for _, spec := range []clientlib.OffsetSpec{clientlib.OffsetEarliest, clientlib.OffsetLatest, clientlib.OffsetMaxTime, clientlib.OffsetAt(base.Add(150 * time.Second)), clientlib.OffsetAt(base.Add(time.Hour))} {
		o, err := p.a.Offsets(p.ctx, spec, false, at)
		p.see("offset", offsetsOf(o), err)
	}
	o, err := p.a.DeleteRecords(p.ctx, clientlib.DeleteTo{TopicPartition: at, Offset: 4})
	p.see("delete records", offsetsOf(o), err)
	o, err = p.a.Offsets(p.ctx, clientlib.OffsetEarliest, false, at)
	p.see("log start", offsetsOf(o), err)
	_, err = p.a.DeleteRecords(p.ctx, clientlib.DeleteTo{TopicPartition: at, Offset: 400})
	p.see("delete records that there are not", "", err)
	_, err = p.a.Offsets(p.ctx, clientlib.OffsetLatest, false, clientlib.TopicPartition{Topic: "none"})
	p.see("offset of no topic", "", err)
	active, err := p.a.Producers(p.ctx, at)
	p.see("producers", fmt.Sprint(len(active)), err)
	for _, w := range active {
		p.see("producer", fmt.Sprintf("last sequence %d", w.LastSequence), nil)
	}
}

func offsetsOf(list []clientlib.ListedOffset) string {
	var text []string
	for _, o := range list {
		text = append(text, fmt.Sprint(o.Offset))
	}
	return strings.Join(text, " ")
}

func (p *player) refusals() {
	out, err := clientlib.New(clientlib.Config{Bootstrap: p.bootstrap(), Timeout: 20 * time.Second})
	if err != nil {
		p.see("connect", "", err)
		return
	}
	defer out.Close()
	send, err := out.Producer(proto.ProducerConfig{DeliveryTimeout: int64(3 * time.Second)})
	if err != nil {
		p.see("producer", "", err)
		return
	}
	for _, r := range []struct {
		what string
		r    clientlib.Record
	}{
		{"larger than max.message.bytes", clientlib.Record{Topic: "a", Partition: 0, Value: bytes.Repeat([]byte("x"), 60_000)}},
		{"to a partition that there is not", clientlib.Record{Topic: "a", Partition: 9}},
		{"to no topic", clientlib.Record{Topic: "none", Partition: clientlib.NoPartition}},
		{"from the future", clientlib.Record{Topic: "times", Partition: 0, Timestamp: time.Now().Add(100 * time.Hour)}},
		{"that is good", clientlib.Record{Topic: "times", Partition: 0}},
	} {
		s, err := send.SendWait(p.ctx, &r.r)
		p.see("a record "+r.what, fmt.Sprint(s.Offset), err)
	}
}
