package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// contents is what clients see of a broker: every topic with its id and its partitions' records, and what only Kafka serves.
type contents struct {
	ids     map[string]string            // of topics
	logs    map[string]*log              // by partition folder
	configs map[string]map[string]string // the topics' own; nil: not asked
	offsets map[string]int64             // committed by the group; nil: not asked
	printed string                       // by Kafka's own consumer, of consumedTopic
}

// log is one partition: where it begins and ends, and each record as one line. Control records are among them.
type log struct {
	earliest, latest int64
	records          []string
}

// recordLine is a record in full.
func recordLine(r *kgo.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d control=%t %q=%q", r.Offset, r.Timestamp.UnixMilli(), r.Attrs.IsControl(), r.Key, r.Value)
	if r.Key == nil {
		b.WriteString(" null-key")
	}
	if r.Value == nil {
		b.WriteString(" null-value")
	}
	for _, h := range r.Headers {
		fmt.Fprintf(&b, " %q=%q", h.Key, h.Value)
	}
	return b.String()
}

// see reads everything, control records and what transactions aborted too. A broker of Apache Kafka is asked for configs besides, and for what the group
// committed, if there is one.
func see(ctx context.Context, address string, kafka, group bool) (*contents, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopicsWithInternal(ctx)
	if err != nil {
		return nil, err
	}
	c := &contents{ids: map[string]string{}, logs: map[string]*log{}}
	for _, t := range topics {
		if t.Err != nil {
			return nil, fmt.Errorf("topic %s: %w", t.Topic, t.Err)
		}
		c.ids[t.Topic] = t.ID.String()
	}
	// A leader that has just been elected may say so until its log is synced; clients ask again.
	for err = c.ends(ctx, admin, topics.Names()); errors.Is(err, kerr.OffsetNotAvailable) && ctx.Err() == nil; err = c.ends(ctx, admin, topics.Names()) {
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		return nil, err
	}
	if err := c.readAll(ctx, address); err != nil {
		return nil, err
	}
	if !kafka {
		return c, nil
	}
	return c, c.askKafka(ctx, admin, group)
}

func (c *contents) ends(ctx context.Context, admin *kadm.Client, topics []string) error {
	starts, err := admin.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return err
	}
	ends, err := admin.ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err
	}
	starts.Each(func(o kadm.ListedOffset) {
		end, _ := ends.Lookup(o.Topic, o.Partition)
		c.logs[fmt.Sprintf("%s-%d", o.Topic, o.Partition)] = &log{earliest: o.Offset, latest: end.Offset}
	})
	return nil
}

// readAll reads each partition from its start to its end.
func (c *contents) readAll(ctx context.Context, address string) error {
	from := map[string]map[int32]kgo.Offset{}
	left := map[string]bool{}
	for folder, l := range c.logs {
		if l.latest > l.earliest {
			topic, partition := split(folder)
			if from[topic] == nil {
				from[topic] = map[int32]kgo.Offset{}
			}
			from[topic][partition] = kgo.NewOffset().At(l.earliest)
			left[folder] = true
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumePartitions(from), kgo.KeepControlRecords(), kgo.FetchMaxWait(200*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("reading, with %v unread: %w", slices.Sorted(maps.Keys(left)), err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			folder := fmt.Sprintf("%s-%d", r.Topic, r.Partition)
			l := c.logs[folder]
			if r.Offset < l.latest {
				l.records = append(l.records, recordLine(r))
			}
			if r.Offset >= l.latest-1 {
				delete(left, folder)
			}
		})
	}
	return nil
}

func (c *contents) askKafka(ctx context.Context, admin *kadm.Client, group bool) error {
	c.configs, c.offsets = map[string]map[string]string{}, map[string]int64{}
	configs, err := admin.DescribeTopicConfigs(ctx, slices.Sorted(maps.Keys(c.ids))...)
	if err != nil {
		return err
	}
	for _, r := range configs {
		if r.Err != nil {
			return fmt.Errorf("configs of %s: %w", r.Name, r.Err)
		}
		own := map[string]string{}
		for _, e := range r.Configs {
			if e.Source.String() == "DYNAMIC_TOPIC_CONFIG" {
				own[e.Key] = e.MaybeValue()
			}
		}
		c.configs[r.Name] = own
	}
	if !group {
		return nil
	}
	offsets, err := admin.FetchOffsets(ctx, groupName)
	if err != nil {
		return err
	}
	offsets.Each(func(o kadm.OffsetResponse) { c.offsets[fmt.Sprintf("%s-%d", o.Topic, o.Partition)] = o.At })
	return nil
}

func (c *contents) count() (n int) {
	for _, l := range c.logs {
		n += len(l.records)
	}
	return n
}

// same compares what is there with what is wanted. Topics of Kafka's own coordinators may have got longer when Kafka itself ran meanwhile.
func (c *contents) same(want *contents, grown bool) error {
	if !maps.Equal(c.ids, want.ids) {
		return fmt.Errorf("the topics are %v, want %v", c.ids, want.ids)
	}
	for _, folder := range slices.Sorted(maps.Keys(want.logs)) {
		w, g := want.logs[folder], c.logs[folder]
		if g == nil {
			return fmt.Errorf("%s is gone", folder)
		}
		longer := grown && strings.HasPrefix(folder, "__")
		if g.earliest != w.earliest || g.latest != w.latest && !longer {
			return fmt.Errorf("%s is %d..%d, want %d..%d", folder, g.earliest, g.latest, w.earliest, w.latest)
		}
		for i, r := range w.records {
			if i >= len(g.records) || g.records[i] != r {
				return fmt.Errorf("%s: record %d of %d is %.300s, want %.300s", folder, i, len(w.records), slices.Concat(g.records, []string{"none"})[min(i, len(g.records))], r)
			}
		}
		if len(g.records) > len(w.records) && !longer {
			return fmt.Errorf("%s: %d records, want %d", folder, len(g.records), len(w.records))
		}
	}
	if len(c.logs) != len(want.logs) {
		return fmt.Errorf("%d partitions, want %d", len(c.logs), len(want.logs))
	}
	return nil
}

// split takes a folder's name apart at its last dash.
func split(folder string) (topic string, partition int32) {
	dash := strings.LastIndexByte(folder, '-')
	_, _ = fmt.Sscan(folder[dash+1:], &partition)
	return folder[:dash], partition
}
