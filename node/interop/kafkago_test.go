package interop

import (
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

var kafkaGoCodecs = map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}

// TestKafkaGo sends 200 000 records with segmentio's kafka-go, a fifth with each codec, and reads them back with it and with franz-go. It has no
// idempotent producer.
func TestKafkaGo(t *testing.T) {
	n := start(t)
	topic := "kafka-go"
	createTopic(t, client(t, n), topic, partitions)
	for _, r := range runs(allCodecs, false) {
		w := &kafka.Writer{Addr: kafka.TCP(n.address), Topic: topic, RequiredAcks: kafka.RequireAll, Compression: kafkaGoCodecs[r.codec],
			BatchTimeout: time.Millisecond, BatchBytes: 1 << 20, BatchSize: 1000,
			Balancer: kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return m.WriterData.(int) % partitions })}
		for from := r.from; from < r.to; from += 2000 {
			messages := make([]kafka.Message, 0, 2000)
			for i := from; i < min(from+2000, r.to); i++ {
				messages = append(messages, toKafkaGo(i, makeRecord(topic, 4, i)))
			}
			if err := w.WriteMessages(deadline(t, time.Minute), messages...); err != nil {
				t.Fatalf("%v: %v", r, err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatalf("%v: %v", r, err)
		}
	}
	wanted := func(i int) *kgo.Record { return makeRecord(topic, 4, i) }
	readAll(t, n, topic, wanted)
	kafkaGoRead(t, n, topic, wanted)
}

func toKafkaGo(i int, r *kgo.Record) kafka.Message {
	m := kafka.Message{Key: r.Key, Value: r.Value, Time: r.Timestamp, WriterData: i}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, kafka.Header{Key: h.Key, Value: h.Value})
	}
	return m
}

// kafkaGoRead reads with one Reader for each partition.
func kafkaGoRead(t *testing.T, n *node, topic string, wanted func(i int) *kgo.Record) {
	t.Helper()
	got, failed := make(chan kafka.Message, 1000), make(chan error, partitions)
	ctx := deadline(t, 2*time.Minute)
	for p := range partitions {
		reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{n.address}, Topic: topic, Partition: p, MinBytes: 1, MaxBytes: 4 << 20, MaxWait: 100 * time.Millisecond})
		defer reader.Close()
		go func() {
			for range recordCount / partitions {
				m, err := reader.ReadMessage(ctx)
				if err != nil {
					failed <- err
					return
				}
				got <- m
			}
		}()
	}
	for r := (reading{t: t, wanted: wanted}); !r.done(); {
		select {
		case m := <-got:
			r.take(fromKafkaGo(m))
		case err := <-failed:
			t.Fatalf("after %d records: %v", r.total, err)
		}
	}
}

func fromKafkaGo(m kafka.Message) *kgo.Record {
	r := &kgo.Record{Partition: int32(m.Partition), Offset: m.Offset, Timestamp: m.Time, Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return r
}
