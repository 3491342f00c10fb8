package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"odradek/bench/cell"
	"odradek/bench/kafka"
	"odradek/bench/load"
	"odradek/bench/measure"
	"odradek/bench/target"
	"odradek/core/errcode"
	"odradek/core/record"
)

const (
	topic  = "race"
	warmup = time.Second
)

// ours starts a node on an empty directory and measures it.
func ours(binary string, synced bool, do func(o *options, n *target.Node, leader string) (messages int64, seconds float64, used measure.Usage, err error)) side {
	return func(ctx context.Context, o *options, dir string) (rate, cpu float64, err error) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return 0, 0, err
		}
		set := []string{"log.flush.interval.messages=1"}
		if !synced {
			set = []string{"log.flush.interval.messages=9223372036854775807"}
		}
		n := target.NewNode(binary, dir, set)
		defer func() { err = errors.Join(err, n.Close()) }()
		addresses, err := n.Bootstrap(ctx)
		if err != nil {
			return 0, 0, err
		}
		conn, err := kafka.DialAny(addresses)
		if err != nil {
			return 0, 0, err
		}
		defer conn.Close()
		if err := conn.CreateTopic(topic, 1, 1, nil); err != nil {
			return 0, 0, err
		}
		leaders, err := conn.Leaders(topic, 1)
		if err != nil {
			return 0, 0, err
		}
		messages, seconds, used, err := do(o, n, leaders[0])
		return float64(messages) / seconds, used.CPU.Seconds() / float64(messages), err
	}
}

// publish is one record a request, 64 connections.
func publish(o *options, n *target.Node, leader string) (int64, float64, measure.Usage, error) {
	c := cell.Default()
	c.Batch, c.Record, c.Partitions, c.Producers, c.InFlight = 0, 1000, 1, 64, 1
	return produce(o, n, leader, c)
}

// stream is one client that gathers records into batches and does not wait.
func stream(o *options, n *target.Node, leader string) (int64, float64, measure.Usage, error) {
	c := cell.Default()
	c.Mode, c.Record, c.Partitions, c.Producers = cell.Client, 128, 1, 1
	return produce(o, n, leader, c)
}

// produce runs a load for a second that is not counted, and then for the length.
func produce(o *options, n *target.Node, leader string, c cell.Cell) (int64, float64, measure.Usage, error) {
	if _, err := sent(c, leader, warmup); err != nil {
		return 0, 0, measure.Usage{}, err
	}
	before, err := n.Usage()
	if err != nil {
		return 0, 0, before, err
	}
	r, err := sent(c, leader, o.length)
	if err != nil {
		return 0, 0, before, err
	}
	after, err := n.Usage()
	return r.Records, r.Seconds(), after.Sub(before), err
}

func sent(c cell.Cell, leader string, length time.Duration) (*load.Result, error) {
	l, err := load.New(load.Config{Cell: c, Topic: topic, Leaders: []string{leader}, Length: length, Workers: 1, Seed: 1})
	if err != nil {
		return nil, err
	}
	return l.Run(measure.Now() + int64(time.Millisecond))
}

// replay reads every record of a topic, as JetStream's client hands every message over.
func replay(o *options, n *target.Node, leader string) (int64, float64, measure.Usage, error) {
	c := cell.Default()
	c.Batch, c.Record, c.Payload, c.Partitions = 64<<10, 1000, "random", 1
	l, err := load.New(load.Config{Cell: c, Topic: topic, Leaders: []string{leader}, Length: time.Minute, ValuesMax: o.bytes, Workers: 1, Seed: 1})
	if err != nil {
		return 0, 0, measure.Usage{}, err
	}
	r, err := l.Run(measure.Now() + int64(time.Millisecond))
	if err != nil {
		return 0, 0, measure.Usage{}, err
	}
	before, err := n.Usage()
	if err != nil {
		return 0, 0, before, err
	}
	conn, err := kafka.Dial(leader, 5*time.Second)
	if err != nil {
		return 0, 0, before, err
	}
	defer conn.Close()
	begun := time.Now()
	seen := int64(0)
	for offset := int64(0); seen < r.AllRecords; {
		resp, err := conn.Fetch(topic, map[int32]int64{0: offset}, time.Second, 1<<20)
		if err != nil {
			return 0, 0, before, err
		}
		p := resp.Topics[0].Partitions[0]
		if p.ErrorCode != 0 || len(p.RecordBatches) == 0 {
			return 0, 0, before, fmt.Errorf("at %d of %d: %v, %d bytes", seen, r.AllRecords, errcode.Code(p.ErrorCode), len(p.RecordBatches))
		}
		for it := record.Batches(p.RecordBatches); it.Next(); {
			for records := it.Batch.Records(nil, nil); records.Next(); {
				seen++
			}
			offset = int64(it.Batch.NextOffset())
		}
	}
	after, err := n.Usage()
	return seen, time.Since(begun).Seconds(), after.Sub(before), err
}
