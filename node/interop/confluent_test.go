//go:build cgo

package interop

import (
	"strconv"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestConfluent sends 200 000 records with confluent-kafka-go (librdkafka), a tenth with each codec, idempotent and not, and reads them back with it and with
// franz-go.
func TestConfluent(t *testing.T) {
	_, linked := kafka.LibraryVersion()
	t.Logf("librdkafka %s", linked)
	n := start(t)
	topic := "confluent"
	createTopic(t, client(t, n), topic, partitions)
	for _, r := range runs(allCodecs, true, false) {
		confluentSend(t, n, topic, r)
	}
	wanted := func(i int) *kgo.Record { return makeRecord(topic, 5, i) }
	confluentRead(t, n, topic, wanted)
	readAll(t, n, topic, wanted)
}

func confluentProducer(t *testing.T, n *node, settings kafka.ConfigMap) *kafka.Producer {
	t.Helper()
	cfg := kafka.ConfigMap{"bootstrap.servers": n.address, "acks": "all", "linger.ms": 1, "message.max.bytes": 1 << 20}
	for k, v := range settings { // any order: each is its own key
		cfg[k] = v
	}
	p, err := kafka.NewProducer(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func confluentSend(t *testing.T, n *node, topic string, r run) {
	t.Helper()
	p := confluentProducer(t, n, kafka.ConfigMap{"enable.idempotence": r.idempotent, "compression.type": r.codec,
		"max.in.flight.requests.per.connection": map[bool]int{true: 5, false: 1}[r.idempotent]})
	defer p.Close()
	go func() {
		for i := r.from; i < r.to; i++ {
			m := toConfluent(i, makeRecord(topic, 5, i))
			for p.Produce(m, nil) != nil { // its queue is full
				time.Sleep(time.Millisecond)
			}
		}
	}()
	for acked := 0; acked < r.to-r.from; {
		select {
		case e := <-p.Events():
			switch m := e.(type) {
			case *kafka.Message:
				if i := m.Opaque.(int); m.TopicPartition.Error != nil || int64(m.TopicPartition.Offset) != int64(i/partitions) {
					t.Fatalf("%v: record %d: %v", r, i, m.TopicPartition)
				}
				acked++
			case kafka.Error:
				t.Fatalf("%v: %v", r, m)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%v: %d acknowledged, and then nothing for a minute", r, acked)
		}
	}
}

func toConfluent(i int, r *kgo.Record) *kafka.Message {
	m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &r.Topic, Partition: r.Partition}, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp, Opaque: i}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	return m
}

func confluentConsumer(t *testing.T, n *node, settings kafka.ConfigMap) *kafka.Consumer {
	t.Helper()
	// A consumer must name a group; one that is assigned its partitions and commits nothing never asks for it.
	cfg := kafka.ConfigMap{"bootstrap.servers": n.address, "group.id": "none", "enable.auto.commit": false, "auto.offset.reset": "error"}
	for k, v := range settings { // any order: each is its own key
		cfg[k] = v
	}
	c, err := kafka.NewConsumer(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func confluentRead(t *testing.T, n *node, topic string, wanted func(i int) *kgo.Record) {
	t.Helper()
	c := confluentConsumer(t, n, kafka.ConfigMap{"enable.partition.eof": true})
	var all []kafka.TopicPartition
	for p := range int32(partitions) {
		all = append(all, kafka.TopicPartition{Topic: &topic, Partition: p, Offset: kafka.OffsetBeginning})
	}
	if err := c.Assign(all); err != nil {
		t.Fatal(err)
	}
	ends := 0
	for r := (reading{t: t, wanted: wanted}); !r.done() || ends < partitions; {
		switch e := c.Poll(60_000).(type) {
		case *kafka.Message:
			r.take(fromConfluent(e))
		case kafka.PartitionEOF:
			ends++
		case kafka.Error:
			t.Fatalf("after %d records: %v", r.total, e)
		case nil:
			t.Fatalf("after %d records: nothing for a minute", r.total)
		}
	}
}

func fromConfluent(m *kafka.Message) *kgo.Record {
	r := &kgo.Record{Partition: m.TopicPartition.Partition, Offset: int64(m.TopicPartition.Offset), Timestamp: m.Timestamp, Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return r
}

// TestConfluentTightLoop is librdkafka's test 0001 in short: a topic is created, produced to and deleted, in a tight loop, under one name. Nothing that was
// answered may be unknown to the next request.
func TestConfluentTightLoop(t *testing.T) {
	n := start(t, "auto.create.topics.enable=false")
	p := confluentProducer(t, n, kafka.ConfigMap{"linger.ms": 0, "log_level": 4})
	defer p.Close()
	admin, err := kafka.NewAdminClientFromProducer(p)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	topic := "loop"
	for i := range 30 {
		created, err := admin.CreateTopics(deadline(t, 10*time.Second), []kafka.TopicSpecification{{Topic: topic, NumPartitions: 1 + i%3, ReplicationFactor: 1}})
		if err != nil || created[0].Error.Code() != kafka.ErrNoError {
			t.Fatalf("round %d: creating: %v, %v", i, created, err)
		}
		md, err := admin.GetMetadata(&topic, false, 10_000)
		if err != nil || md.Topics[topic].Error.Code() != kafka.ErrNoError || len(md.Topics[topic].Partitions) != 1+i%3 {
			t.Fatalf("round %d: metadata: %+v, %v", i, md, err)
		}
		delivered := make(chan kafka.Event, 1)
		if err := p.Produce(&kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: 0}, Value: []byte(strconv.Itoa(i))}, delivered); err != nil {
			t.Fatal(err)
		}
		if m := (<-delivered).(*kafka.Message); m.TopicPartition.Error != nil || m.TopicPartition.Offset != 0 {
			t.Fatalf("round %d: producing: %v", i, m.TopicPartition)
		}
		deleted, err := admin.DeleteTopics(deadline(t, 10*time.Second), []string{topic})
		if err != nil || deleted[0].Error.Code() != kafka.ErrNoError {
			t.Fatalf("round %d: deleting: %v, %v", i, deleted, err)
		}
	}
}
