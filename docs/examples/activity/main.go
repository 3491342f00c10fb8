// Activity records what users do, and shows what one of them did: the last things, and everything since some time. Activity tracking.
//
//	go run ./docs/examples/activity -bootstrap 127.0.0.1:9092
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"odradek/clientlib"
	"odradek/clientlib/proto"
	"odradek/core/record"
	"odradek/docs/examples/internal/example"
)

func main() {
	bootstrap := flag.String("bootstrap", "127.0.0.1:9092", "brokers")
	flag.Parse()
	example.Main(*bootstrap, run)
}

var actions = []string{"login", "search", "view", "buy", "logout"}

// run records a day of three users, and prints what user 2 did in the last two hours, and the last three actions of everybody.
func run(ctx context.Context, bootstrap string, out io.Writer) error {
	c, err := clientlib.New(clientlib.Config{Bootstrap: bootstrap, ClientID: "activity"})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := example.Topic(ctx, c, "activity", 1); err != nil {
		return err
	}
	p, err := c.Producer(proto.ProducerConfig{Acks: proto.AcksLeader}) // one click more or less: no need to wait for every replica
	if err != nil {
		return err
	}
	begin := time.Now().Add(-24 * time.Hour)
	for hour := range 24 {
		for user := range 3 {
			r := &clientlib.Record{Topic: "activity", Partition: clientlib.NoPartition, Key: fmt.Appendf(nil, "user-%d", user), Value: []byte(actions[(hour+user)%len(actions)]), Timestamp: begin.Add(time.Duration(hour) * time.Hour)}
			if err := p.Send(ctx, r, nil); err != nil {
				return err
			}
		}
	}
	if err := p.Flush(ctx); err != nil {
		return err
	}
	k, err := c.Consumer(proto.ConsumerConfig{})
	if err != nil {
		return err
	}
	since := begin.Add(22 * time.Hour) // found by the time index: nothing before is read
	fmt.Fprintln(out, "user-2, last two hours:")
	if err := read(ctx, c.Admin(), k, proto.AtTime(record.UnixMillis(since.UnixMilli())), func(r *clientlib.Consumed) {
		if string(r.Key) == "user-2" {
			fmt.Fprintf(out, "  hour %d: %s\n", int(r.Timestamp.Sub(begin).Round(time.Hour).Hours()), r.Value)
		}
	}); err != nil {
		return err
	}
	fmt.Fprintln(out, "everybody, last three:")
	return read(ctx, c.Admin(), k, proto.Latest(3), func(r *clientlib.Consumed) { fmt.Fprintf(out, "  %s: %s\n", r.Key, r.Value) })
}

// read hands over the records from somewhere to what is the end now. The consumer is sent back for it.
func read(ctx context.Context, a *clientlib.Admin, k *clientlib.Consumer, from proto.Start, each func(*clientlib.Consumed)) error {
	ends, err := a.Offsets(ctx, clientlib.OffsetLatest, false, clientlib.TopicPartition{Topic: "activity"})
	if err != nil {
		return err
	}
	return example.Until(ctx, k, ends, from, each)
}
