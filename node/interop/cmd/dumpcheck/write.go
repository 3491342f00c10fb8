package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"odradek/node/interop/brokers"
)

const (
	segmentBytes = 32 << 10
	partitions   = 3
	perPartition = 1500 // records of a topic's partition
	kcatRecords  = 1500
	roundTimeout = 40 * time.Second
)

var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

var kgoCodecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// entry is what was produced at one offset.
type entry struct{ key, value string }

// written is what was produced, by partition folder and offset, and how many metadata records of each type there must be.
type written struct {
	logs                         map[string][]entry
	topics, removed, partitioned int
}

// write fills the directory: two rounds of producing with every codec, idempotent and not, with a kill -9 between them; then a clean stop.
func write(binary, data string) (*written, error) {
	n := &node{binary: binary, data: data, address: brokers.FreeAddress(), admin: brokers.FreeAddress()}
	defer func() { _ = n.end(syscall.SIGKILL) }()
	w := &written{logs: map[string][]entry{}}
	for round := range 2 {
		if err := n.start(); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(context.Background(), roundTimeout)
		err := w.round(ctx, n.address, round)
		cancel()
		if err != nil {
			return nil, fmt.Errorf("round %d: %w\n%s", round, err, n.log.String())
		}
		if err := n.end([]syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}[round]); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// round produces half of everything. The first one also makes and deletes topics.
func (w *written) round(ctx context.Context, address string, round int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if round == 0 {
		for _, c := range codecs {
			for _, kind := range []string{"idempotent", "plain"} {
				if err := w.create(ctx, admin, kind+"-"+c, partitions); err != nil {
					return err
				}
			}
			if err := w.create(ctx, admin, "kcat-"+c, 1); err != nil {
				return err
			}
		}
		if err := w.create(ctx, admin, "empty", 2); err != nil {
			return err
		}
	}
	// One that is deleted with records in it, and one that comes again under its name.
	for _, topic := range []string{fmt.Sprintf("gone-%d", round), "again"} {
		if err := w.create(ctx, admin, topic, partitions); err != nil {
			return err
		}
		if err := w.produce(ctx, address, topic, "zstd", round, true); err != nil {
			return err
		}
		if topic == "again" && round == 1 {
			break
		}
		if err := w.remove(ctx, admin, topic); err != nil {
			return err
		}
	}
	for _, c := range codecs {
		if err := w.produce(ctx, address, "idempotent-"+c, c, round, true); err != nil {
			return err
		}
		if err := w.produce(ctx, address, "plain-"+c, c, round, false); err != nil {
			return err
		}
		if err := w.kcat(ctx, address, "kcat-"+c, c, round); err != nil {
			return err
		}
	}
	return nil
}

func (w *written) create(ctx context.Context, admin *kadm.Client, topic string, count int32) error {
	if _, err := admin.CreateTopic(ctx, count, 1, nil, topic); err != nil {
		return fmt.Errorf("create %s: %w", topic, err)
	}
	w.topics++
	w.partitioned += int(count)
	for p := range count {
		w.logs[fmt.Sprintf("%s-%d", topic, p)] = nil
	}
	return nil
}

func (w *written) remove(ctx context.Context, admin *kadm.Client, topic string) error {
	if _, err := admin.DeleteTopic(ctx, topic); err != nil {
		return fmt.Errorf("delete %s: %w", topic, err)
	}
	w.removed++
	for p := range partitions {
		delete(w.logs, fmt.Sprintf("%s-%d", topic, p))
	}
	return nil
}

// produce sends the records of one round with franz-go; the times step back now and then.
func (w *written) produce(ctx context.Context, address, topic, codec string, round int, idempotent bool) error {
	options := []kgo.Opt{kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgoCodecs[codec]),
		kgo.ProducerBatchMaxBytes(4 << 10), kgo.ProducerLinger(time.Millisecond)}
	if !idempotent {
		options = append(options, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	start := time.Now()
	var failed error
	for i := range perPartition / 2 * partitions {
		p := i % partitions
		e := entry{key: fmt.Sprintf("key-%d", i%100), value: fmt.Sprintf("%s round %d record %d %s", topic, round, i, strings.Repeat("thread ", i%17))}
		folder := fmt.Sprintf("%s-%d", topic, p)
		w.logs[folder] = append(w.logs[folder], e)
		r := &kgo.Record{Topic: topic, Partition: int32(p), Key: []byte(e.key), Value: []byte(e.value), Timestamp: start.Add(time.Duration(i-i%7*3) * time.Millisecond)}
		for h := range i % 3 {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: fmt.Sprintf("h%d", h), Value: []byte("x")})
		}
		client.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil && failed == nil { // promises are called one at a time
				failed = err
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("produce to %s: %w", topic, failed)
	}
	return nil
}

// kcat sends records with librdkafka, whose frames of codecs differ from franz-go's. Without kcat these topics stay empty.
func (w *written) kcat(ctx context.Context, address, topic, codec string, round int) error {
	if _, err := exec.LookPath("kcat"); err != nil {
		return nil
	}
	var in strings.Builder
	folder := topic + "-0"
	for i := range kcatRecords / 2 {
		e := entry{key: fmt.Sprintf("k%d", i), value: fmt.Sprintf("%s round %d record %d %s", topic, round, i, strings.Repeat("spool ", i%13))}
		w.logs[folder] = append(w.logs[folder], e)
		in.WriteString(e.key + "\t" + e.value + "\n")
	}
	cmd := exec.CommandContext(ctx, "kcat", "-P", "-b", address, "-t", topic, "-p", "0", "-z", codec, "-K", `\t`, "-X", "acks=all",
		"-X", fmt.Sprintf("enable.idempotence=%t", round == 0), "-X", "batch.num.messages=50")
	cmd.Stdin = strings.NewReader(in.String())
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		return fmt.Errorf("kcat -P -t %s: %v\n%s", topic, err, out)
	}
	return nil
}
