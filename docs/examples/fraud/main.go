// Fraud looks at card payments as they come and raises an alarm: too many within a minute, or in two countries at nearly the same time.
//
//	go run ./docs/examples/fraud -bootstrap 127.0.0.1:9092
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"time"

	"odradek/clientlib"
	"odradek/clientlib/proto"
	"odradek/docs/examples/internal/example"
)

type payment struct {
	Card    string `json:"card"`
	Country string `json:"country"`
	Cents   int64  `json:"cents"`
}

func main() {
	bootstrap := flag.String("bootstrap", "127.0.0.1:9092", "brokers")
	flag.Parse()
	example.Main(*bootstrap, run)
}

// The rules.
const (
	paymentsMax = 3 // of a card within within
	within      = time.Minute
	travel      = time.Hour // the least between two countries
)

// past is what is remembered of a card.
type past struct {
	times   []time.Time // within the last minute
	country string
	at      time.Time
}

// suspect returns why a payment is one; empty: it is not. Payments of a card come in order, since the card is the key.
func (h *past) suspect(p payment, at time.Time) string {
	for len(h.times) > 0 && at.Sub(h.times[0]) > within {
		h.times = h.times[1:]
	}
	h.times = append(h.times, at)
	before, when := h.country, h.at
	h.country, h.at = p.Country, at
	switch {
	case before != "" && before != p.Country && at.Sub(when) < travel:
		return fmt.Sprintf("%s %v after %s", p.Country, at.Sub(when), before)
	case len(h.times) > paymentsMax:
		return fmt.Sprintf("%d payments within %v", len(h.times), within)
	}
	return ""
}

// run sends payments, judges them, and prints the alarms. Alarms are records, too: acks=all, so that none is lost, and idempotent, so that none rings twice.
func run(ctx context.Context, bootstrap string, out io.Writer) error {
	c, err := clientlib.New(clientlib.Config{Bootstrap: bootstrap, ClientID: "fraud"})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := example.Topic(ctx, c, "payments", 4); err != nil {
		return err
	}
	if err := example.Topic(ctx, c, "alarms", 1); err != nil {
		return err
	}
	p, err := c.Producer(proto.ProducerConfig{})
	if err != nil {
		return err
	}
	if err := pay(ctx, p, time.Now().Add(-3*time.Hour)); err != nil {
		return err
	}
	cards := map[string]*past{}
	err = example.ReadAll(ctx, bootstrap, "payments", func(r *clientlib.Consumed) {
		var one payment
		if json.Unmarshal(r.Value, &one) != nil {
			return // not a payment: a real judge would put it aside
		}
		if cards[one.Card] == nil {
			cards[one.Card] = &past{}
		}
		if why := cards[one.Card].suspect(one, r.Timestamp); why != "" {
			_ = p.Send(ctx, &clientlib.Record{Topic: "alarms", Partition: 0, Key: r.Key, Value: []byte(why)}, nil)
		}
	})
	if err != nil {
		return err
	}
	if err := p.Flush(ctx); err != nil {
		return err
	}
	raised := map[string]string{}
	if err := example.ReadAll(ctx, bootstrap, "alarms", func(r *clientlib.Consumed) { raised[string(r.Key)] += " " + string(r.Value) + ";" }); err != nil {
		return err
	}
	for i := range 40 {
		if card := fmt.Sprintf("card-%d", i); raised[card] != "" {
			fmt.Fprintf(out, "%s:%s\n", card, raised[card])
		}
	}
	return nil
}

// pay sends 40 cards' payments, one every ten minutes each; card 7 pays five times in a row, card 11 in two countries.
func pay(ctx context.Context, p *clientlib.Producer, begin time.Time) error {
	send := func(one payment, at time.Time) error {
		value, err := json.Marshal(one)
		if err != nil {
			return err
		}
		return p.Send(ctx, &clientlib.Record{Topic: "payments", Partition: clientlib.NoPartition, Key: []byte(one.Card), Value: value, Timestamp: at}, nil)
	}
	for i := range 200 {
		card := i % 40
		one, at := payment{fmt.Sprintf("card-%d", card), "DE", int64(100 + i)}, begin.Add(time.Duration(i/40)*10*time.Minute)
		if card == 11 && i/40 == 3 {
			one.Country = "BR"
		}
		times := 1
		if card == 7 && i/40 == 2 {
			times = 5
		}
		for n := range times {
			if err := send(one, at.Add(time.Duration(n)*time.Second)); err != nil {
				return err
			}
		}
	}
	return p.Flush(ctx)
}
