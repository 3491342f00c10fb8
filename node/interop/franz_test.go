package interop

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// started fixes the timestamps of a run, in whole milliseconds as Kafka keeps them.
var started = time.UnixMilli(time.Now().UnixMilli())

func timestamp(i int) time.Time { return started.Add(time.Duration(i%1000-500) * time.Millisecond) }

func client(t *testing.T, n *node, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(n.address), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func deadline(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func createTopic(t *testing.T, c *kgo.Client, topic string, parts int32) {
	t.Helper()
	resp, err := kadm.NewClient(c).CreateTopics(deadline(t, 10*time.Second), parts, 1, nil, topic)
	if err == nil {
		err = resp[topic].Err
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestFranzGo sends 200 000 records, idempotent with acks=all, a fifth with each codec, and reads them back twice.
func TestFranzGo(t *testing.T) {
	n := start(t)
	topic := "franz"
	createTopic(t, client(t, n), topic, partitions)
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	var bytes int64
	for k, codec := range codecs {
		c := client(t, n, kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(time.Millisecond),
			kgo.MaxBufferedRecords(20_000), kgo.ProducerBatchMaxBytes(1<<20))
		failed := make(chan error, 1)
		for i := k * recordCount / len(codecs); i < (k+1)*recordCount/len(codecs); i++ {
			r := makeRecord(topic, 1, i)
			bytes += int64(len(r.Value))
			c.Produce(context.Background(), r, func(_ *kgo.Record, err error) {
				if err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			})
		}
		if err := c.Flush(deadline(t, 2*time.Minute)); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-failed:
			t.Fatal(err)
		default:
		}
		c.Close()
	}
	t.Logf("%d records, %d MB of values", recordCount, bytes>>20)
	for range 2 {
		readAll(t, n, topic, func(i int) *kgo.Record { return makeRecord(topic, 1, i) })
	}
}

// readAll reads a topic from its start to its end and compares every record with the wanted one of its place, per partition in order.
func readAll(t *testing.T, n *node, topic string, wanted func(i int) *kgo.Record) {
	t.Helper()
	offsets := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		offsets[p] = kgo.NewOffset().AtStart()
	}
	c := client(t, n, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}), kgo.FetchMaxBytes(16<<20))
	ctx := deadline(t, 2*time.Minute)
	for r := (reading{t: t, wanted: wanted}); !r.done(); {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d records: %v", r.total, err)
		}
		fetches.EachRecord(func(k *kgo.Record) { r.take(k) })
	}
	c.Close()
}

// TestAdmin creates, lists, looks up and deletes topics, and reads the errors that clients branch on.
func TestAdmin(t *testing.T) {
	n := start(t)
	c := client(t, n)
	adm := kadm.NewClient(c)
	ctx := deadline(t, 30*time.Second)
	createTopic(t, c, "a.b", 3)
	if resp, _ := adm.CreateTopics(ctx, 1, 1, nil, "a.b"); !errors.Is(resp["a.b"].Err, kerr.TopicAlreadyExists) {
		t.Errorf("creating it again: %v", resp["a.b"].Err)
	}
	for name, want := range map[string]error{"a_b": kerr.InvalidTopicException, "no/slash": kerr.InvalidTopicException} {
		if resp, _ := adm.CreateTopics(ctx, 1, 1, nil, name); !errors.Is(resp[name].Err, want) {
			t.Errorf("creating %s: %v, want %v", name, resp[name].Err, want)
		}
	}
	if resp, _ := adm.CreateTopics(ctx, 1, 3, nil, "rf"); !errors.Is(resp["rf"].Err, kerr.InvalidReplicationFactor) {
		t.Errorf("replication factor 3: %v", resp["rf"].Err)
	}
	bad := "1"
	resp, _ := adm.CreateTopics(ctx, 1, 1, map[string]*string{"segment.byte": &bad}, "typo")
	if !errors.Is(resp["typo"].Err, kerr.InvalidConfig) {
		t.Errorf("a mistyped config: %v", resp["typo"].Err)
	}
	topics, err := adm.ListTopics(ctx)
	if err != nil || len(topics) != 1 || len(topics["a.b"].Partitions) != 3 || topics["a.b"].ID == (kadm.TopicID{}) {
		t.Fatalf("listed %v, %v", topics, err)
	}
	meta, err := adm.BrokerMetadata(ctx)
	if err != nil || len(meta.Brokers) != 1 || fmt.Sprintf("%s:%d", meta.Brokers[0].Host, meta.Brokers[0].Port) != n.address {
		t.Fatalf("brokers %v, %v", meta.Brokers, err)
	}
	if _, err := adm.DeleteTopics(ctx, "a.b"); err != nil {
		t.Fatal(err)
	}
	if resp, _ := adm.DeleteTopics(ctx, "a.b"); !errors.Is(resp["a.b"].Err, kerr.UnknownTopicOrPartition) {
		t.Errorf("deleting it again: %v", resp["a.b"].Err)
	}
	createTopic(t, c, "a.b", 1)
}

// TestListOffsets asks for the ends and by time.
func TestListOffsets(t *testing.T) {
	n := start(t)
	c := client(t, n)
	createTopic(t, c, "times", 1)
	for i := range 100 {
		r := &kgo.Record{Topic: "times", Value: []byte("v"), Timestamp: started.Add(time.Duration(i) * time.Second)}
		if err := c.ProduceSync(deadline(t, 10*time.Second), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	adm := kadm.NewClient(c)
	ctx := deadline(t, 10*time.Second)
	check := func(what string, listed kadm.ListedOffsets, err error, want int64) {
		t.Helper()
		if o, ok := listed.Lookup("times", 0); err != nil || !ok || o.Err != nil || o.Offset != want {
			t.Errorf("%s: %+v, %v; want %d", what, o, err, want)
		}
	}
	start, err := adm.ListStartOffsets(ctx, "times")
	check("earliest", start, err, 0)
	end, err := adm.ListEndOffsets(ctx, "times")
	check("latest", end, err, 100)
	at, err := adm.ListOffsetsAfterMilli(ctx, started.Add(30*time.Second+time.Millisecond).UnixMilli(), "times")
	check("by time", at, err, 31)
	n.stop()
	n.run()
	at, err = adm.ListOffsetsAfterMilli(deadline(t, 10*time.Second), started.Add(42*time.Second).UnixMilli(), "times")
	check("by time after a restart", at, err, 42)
}

// TestDeleteRecords moves a log's start, also over a kill: a start that was answered stays.
func TestDeleteRecords(t *testing.T) {
	n := start(t, "log.segment.bytes=1000")
	c := client(t, n)
	createTopic(t, c, "gone", 1)
	for range 100 {
		if err := c.ProduceSync(deadline(t, 10*time.Second), &kgo.Record{Topic: "gone", Value: make([]byte, 100)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	var below kadm.Offsets
	below.AddOffset("gone", 0, 42, -1)
	resp, err := kadm.NewClient(c).DeleteRecords(deadline(t, 10*time.Second), below)
	if r, _ := resp.Lookup("gone", 0); err != nil || r.Err != nil || r.LowWatermark != 42 {
		t.Fatalf("%+v, %v", r, err)
	}
	n.kill()
	n.run()
	c = client(t, n, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"gone": {0: kgo.NewOffset().AtStart()}}))
	first := c.PollFetches(deadline(t, 10*time.Second)).Records()
	if len(first) == 0 || first[0].Offset != 42 {
		t.Fatalf("reading from the start begins at %+v", first)
	}
}
