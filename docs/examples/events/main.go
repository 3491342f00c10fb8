// Events has services that know nothing of one another but their events: an order is placed, its stock reserved, and then it is shipped or refused.
//
//	go run ./docs/examples/events -bootstrap 127.0.0.1:9092
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"

	"odradek/clientlib"
	"odradek/clientlib/proto"
	"odradek/docs/examples/internal/example"
)

// event is what every service reads and writes.
type event struct {
	Order string `json:"order"`
	Kind  string `json:"kind"` // placed, reserved, short, shipped, refused
	Item  string `json:"item"`
	Count int    `json:"count"`
}

func main() {
	bootstrap := flag.String("bootstrap", "127.0.0.1:9092", "brokers")
	flag.Parse()
	example.Main(*bootstrap, run)
}

// service reads the events and answers some of them with others. All of an order are in one partition, in order. Where it stands it keeps in memory: to be started
// again it would keep the offset with its own state, and change both together.
type service struct {
	name    string
	answers func(e event) (event, bool)
}

func (s *service) run(ctx context.Context, bootstrap string) error {
	c, err := clientlib.New(clientlib.Config{Bootstrap: bootstrap, ClientID: s.name})
	if err != nil {
		return err
	}
	defer c.Close()
	k, err := c.Consumer(proto.ConsumerConfig{})
	if err != nil {
		return err
	}
	p, err := c.Producer(proto.ProducerConfig{Linger: -1}) // at once: somebody waits
	if err != nil {
		return err
	}
	k.Assign("orders", 0, proto.Earliest())
	for {
		records, err := k.Poll(ctx)
		if ctx.Err() != nil {
			return nil // the end
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for i := range records {
			var e event
			if err := json.Unmarshal(records[i].Value, &e); err != nil {
				return fmt.Errorf("%s: offset %d: %w", s.name, records[i].Offset, err)
			}
			if answer, ok := s.answers(e); ok {
				if err := publish(ctx, p, answer); err != nil && ctx.Err() == nil {
					return err
				}
			}
		}
	}
}

func publish(ctx context.Context, p *clientlib.Producer, e event) error {
	value, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = p.SendWait(ctx, &clientlib.Record{Topic: "orders", Partition: clientlib.NoPartition, Key: []byte(e.Order), Value: value})
	return err
}

// services are the stock's and the shipping's.
func services() []*service {
	stock := map[string]int{"spool": 3, "thread": 10}
	return []*service{
		{"stock", func(e event) (event, bool) {
			if e.Kind != "placed" {
				return event{}, false
			}
			if stock[e.Item] < e.Count {
				return event{e.Order, "short", e.Item, e.Count}, true
			}
			stock[e.Item] -= e.Count
			return event{e.Order, "reserved", e.Item, e.Count}, true
		}},
		{"shipping", func(e event) (event, bool) {
			next, ok := map[string]string{"reserved": "shipped", "short": "refused"}[e.Kind]
			return event{e.Order, next, e.Item, e.Count}, ok
		}},
	}
}

// run places orders, and prints what became of each.
func run(ctx context.Context, bootstrap string, out io.Writer) error {
	shop, err := clientlib.New(clientlib.Config{Bootstrap: bootstrap, ClientID: "shop"})
	if err != nil {
		return err
	}
	defer shop.Close()
	if err := example.Topic(ctx, shop, "orders", 1); err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 2)
	for _, s := range services() {
		go func() { ended <- s.run(serving, bootstrap) }()
	}
	p, err := shop.Producer(proto.ProducerConfig{Linger: -1})
	if err != nil {
		stop()
		return err
	}
	placed := []event{{"o-1", "placed", "spool", 2}, {"o-2", "placed", "spool", 2}, {"o-3", "placed", "thread", 10}, {"o-4", "placed", "needle", 1}}
	for _, e := range placed {
		if err := publish(ctx, p, e); err != nil {
			stop()
			return err
		}
	}
	err = watch(ctx, shop, len(placed), out)
	stop()
	for range services() {
		if failed := <-ended; err == nil {
			err = failed
		}
	}
	return err
}

// watch prints the ends of orders.
func watch(ctx context.Context, c *clientlib.Client, orders int, out io.Writer) error {
	k, err := c.Consumer(proto.ConsumerConfig{})
	if err != nil {
		return err
	}
	k.Assign("orders", 0, proto.Earliest())
	for done := 0; done < orders; {
		records, err := k.Poll(ctx)
		if err != nil {
			return err
		}
		for i := range records {
			var e event
			if err := json.Unmarshal(records[i].Value, &e); err != nil {
				return err
			}
			if e.Kind == "shipped" || e.Kind == "refused" {
				fmt.Fprintf(out, "%s %s: %d %s\n", e.Order, e.Kind, e.Count, e.Item)
				done++
			}
		}
	}
	return nil
}
