package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const groupName = "readers"

// small makes segments small under the key that Kafka takes for it.
func small(more ...string) map[string]*string {
	configs := map[string]*string{"internal.segment.bytes": kadm.StringPtr(fmt.Sprint(segmentBytes))}
	for i := 0; i+1 < len(more); i += 2 {
		configs[more[i]] = &more[i+1]
	}
	return configs
}

// fillKafka has Kafka hold all that a directory may: topics with every codec, plain and idempotent, deleted records and topics, configs, retention, compaction,
// transactions committed and aborted, a group, a quota, a credential.
func fillKafka(ctx context.Context, address string, compact bool) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	topics := map[string]map[string]*string{
		"plain": small(), "trimmed": small(), "gone": small(), "again": small(), "emptied": small("max.message.bytes", "100000"),
		"retained":      small("retention.bytes", "40000"),
		"appended":      small("message.timestamp.type", "LogAppendTime", "compression.type", "zstd"),
		"transactional": small(),
	}
	for _, codec := range codecs {
		topics["codec-"+codec] = small()
	}
	if compact {
		topics["compacted"] = small("cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.01")
	}
	for topic, configs := range topics { // any order
		if _, err := admin.CreateTopic(ctx, 2, 1, configs, topic); err != nil {
			return fmt.Errorf("create %s: %w", topic, err)
		}
	}
	for topic := range topics { // any order
		if topic == "transactional" {
			continue
		}
		if err := produceSome(ctx, address, topic, 2000); err != nil {
			return fmt.Errorf("produce to %s: %w", topic, err)
		}
	}
	if err := trim(ctx, admin, map[string]int64{"trimmed": 700, "emptied": 1000}); err != nil {
		return err
	}
	if _, err := admin.DeleteTopics(ctx, "gone", "again"); err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond)
	if _, err := admin.CreateTopic(ctx, 2, 1, small(), "again"); err != nil {
		return fmt.Errorf("create again: %w", err)
	}
	if err := produceSome(ctx, address, "again", 500); err != nil {
		return err
	}
	if err := transactions(ctx, address); err != nil {
		return fmt.Errorf("transactions: %w", err)
	}
	return access(ctx, admin)
}

// access leaves a credential and a quota.
func access(ctx context.Context, admin *kadm.Client) error {
	if _, err := admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{{User: "odradek", Mechanism: kadm.ScramSha256, Iterations: 4096, Password: "thread"}}); err != nil {
		return fmt.Errorf("credential: %w", err)
	}
	name := "odradek"
	_, err := admin.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{Entity: kadm.ClientQuotaEntity{{Type: "user", Name: &name}},
		Ops: []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: 1e6}}}})
	return err
}

// trim deletes the records of partition 0 and 1 below an offset.
func trim(ctx context.Context, admin *kadm.Client, to map[string]int64) error {
	offsets := kadm.Offsets{}
	for topic, at := range to { // any order
		for p := range int32(2) {
			offsets.Add(kadm.Offset{Topic: topic, Partition: p, At: at})
		}
	}
	responses, err := admin.DeleteRecords(ctx, offsets)
	if err == nil {
		err = responses.Error()
	}
	return err
}

// produceSome sends records to both partitions: idempotent ones unless the topic's name says plain, keys that come again, headers, now and then no key or value.
func produceSome(ctx context.Context, address, topic string, count int) error {
	options := []kgo.Opt{kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(4 << 10), kgo.ProducerLinger(time.Millisecond)}
	codec := kgo.NoCompression()
	if name, ok := strings.CutPrefix(topic, "codec-"); ok {
		codec = kgoCodecs[name]
	}
	options = append(options, kgo.ProducerBatchCompression(codec))
	if topic == "plain" {
		options = append(options, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	start := time.Now()
	var failed error
	for i := range count {
		r := &kgo.Record{Topic: topic, Partition: int32(i % 2), Key: []byte(fmt.Sprint("key-", i%50)),
			Value: []byte(fmt.Sprintf("%s record %d %s", topic, i, strings.Repeat("thread ", i%17))), Timestamp: start.Add(time.Duration(i-i%7*3) * time.Millisecond)}
		if i%11 == 0 && topic != "compacted" {
			r.Key = nil
		}
		if i%13 == 0 {
			r.Value = nil
		}
		for h := range i % 3 {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: fmt.Sprint("h", h), Value: []byte("x")})
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
	return failed
}

// transactions commits and aborts, for markers and a .txnindex, and leaves offsets of a group.
func transactions(ctx context.Context, address string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.TransactionalID("dumpcheck"), kgo.DefaultProduceTopic("transactional"))
	if err != nil {
		return err
	}
	defer client.Close()
	for round := range 4 {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		for i := range 200 {
			client.Produce(ctx, kgo.StringRecord(fmt.Sprint("round ", round, " record ", i, strings.Repeat(" spool", 40))), nil)
		}
		if err := client.Flush(ctx); err != nil {
			return err
		}
		if err := client.EndTransaction(ctx, kgo.TransactionEndTry(round%2 == 0)); err != nil {
			return err
		}
	}
	group, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumerGroup(groupName), kgo.ConsumeTopics("transactional"), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer group.Close()
	if err := group.PollFetches(ctx).Err(); err != nil {
		return err
	}
	return group.CommitUncommittedOffsets(ctx)
}

// fillOurs writes through our node: more records to what is there, a topic of its own, one deleted, records deleted.
func fillOurs(ctx context.Context, address string, empty bool) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	make := []string{"new"}
	if empty {
		make = append(make, "plain", "emptied", "codec-zstd", "trimmed")
	}
	for _, topic := range make {
		if _, err := admin.CreateTopic(ctx, 2, 1, nil, topic); err != nil {
			return fmt.Errorf("create %s: %w", topic, err)
		}
	}
	for _, topic := range []string{"new", "plain", "codec-zstd", "trimmed"} {
		if err := produceSome(ctx, address, topic, 2000); err != nil {
			return fmt.Errorf("produce to %s: %w", topic, err)
		}
	}
	if _, err := admin.DeleteTopics(ctx, "emptied"); err != nil {
		return err
	}
	return trim(ctx, admin, map[string]int64{"trimmed": 900})
}
