// Package example holds what the examples have in common.
package example

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"odradek/clientlib"
	"odradek/clientlib/proto"
	"odradek/core/errcode"
)

// timeout is for a whole example.
const timeout = time.Minute

// Main runs an example.
func Main(bootstrap string, run func(ctx context.Context, bootstrap string, out io.Writer) error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := run(ctx, bootstrap, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Topic makes a topic; one that exists is taken as it is.
func Topic(ctx context.Context, c *clientlib.Client, name string, partitions int32, configs ...clientlib.ConfigValue) error {
	_, err := c.Admin().CreateTopics(ctx, false, clientlib.NewTopic{Name: name, Partitions: partitions, Configs: configs})
	if clientlib.Code(err) == errcode.TopicAlreadyExists {
		return nil
	}
	return err
}

// ReadAll hands over every record that a topic has now, those of one partition in order.
func ReadAll(ctx context.Context, bootstrap, topic string, each func(*clientlib.Consumed)) error {
	c, err := clientlib.New(clientlib.Config{Bootstrap: bootstrap})
	if err != nil {
		return err
	}
	defer c.Close()
	topics, err := c.Admin().Topics(ctx, topic)
	if err != nil {
		return err
	}
	var parts []clientlib.TopicPartition
	for _, p := range topics[0].Partitions {
		parts = append(parts, clientlib.TopicPartition{Topic: topic, Partition: p.Partition})
	}
	ends, err := c.Admin().Offsets(ctx, clientlib.OffsetLatest, false, parts...)
	if err != nil {
		return err
	}
	k, err := c.Consumer(proto.ConsumerConfig{})
	if err != nil {
		return err
	}
	return Until(ctx, k, ends, proto.Earliest(), each)
}

// Until hands over the records of partitions from somewhere up to given ends. Afterwards they are no longer assigned.
func Until(ctx context.Context, k *clientlib.Consumer, ends []clientlib.ListedOffset, from proto.Start, each func(*clientlib.Consumed)) error {
	left := map[clientlib.TopicPartition]int64{}
	for _, e := range ends {
		if e.Offset > 0 {
			left[e.TopicPartition] = e.Offset
			k.Assign(e.Topic, e.Partition, from)
			defer k.Unassign(e.Topic, e.Partition)
		}
	}
	for len(left) > 0 {
		f, err := k.PollPartition(ctx)
		if err != nil {
			return err
		}
		tp := clientlib.TopicPartition{Topic: f.Topic, Partition: f.Partition}
		for i := range f.Records {
			if f.Records[i].Offset < left[tp] {
				each(&f.Records[i])
			}
		}
		if position, _, _ := k.Position(tp.Topic, tp.Partition); position >= left[tp] {
			delete(left, tp)
		}
	}
	return nil
}
