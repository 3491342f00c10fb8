// Analytics counts page views by minute while they come, by the time at which they happened: real-time analytics.
//
//	go run ./docs/examples/analytics -bootstrap 127.0.0.1:9092
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"odradek/clientlib"
	"odradek/clientlib/proto"
	"odradek/docs/examples/internal/example"
)

func main() {
	bootstrap := flag.String("bootstrap", "127.0.0.1:9092", "brokers")
	flag.Parse()
	example.Main(*bootstrap, run)
}

// window is a minute of one page.
type window struct {
	minute time.Time
	page   string
}

// late is how far behind the newest view one may come and still be counted; then its minute is closed and told.
const late = 30 * time.Second

// counts are the open windows of one partition. Views of one page are in one partition, so each partition can be counted alone.
type counts struct {
	open   map[window]int
	newest time.Time
	closed time.Time // minutes before are told
	missed int
}

// add counts a view, and returns the windows that it closed, by minute and page.
func (c *counts) add(page string, at time.Time) []window {
	if at.Before(c.closed) {
		c.missed++
		return nil
	}
	c.open[window{at.Truncate(time.Minute), page}]++
	if at.After(c.newest) {
		c.newest = at
	}
	var done []window
	if end := c.newest.Add(-late).Truncate(time.Minute); end.After(c.closed) {
		c.closed = end
		for w := range c.open { // any order: sorted below
			if w.minute.Before(end) {
				done = append(done, w)
			}
		}
	}
	slices.SortFunc(done, func(a, b window) int {
		if !a.minute.Equal(b.minute) {
			return a.minute.Compare(b.minute)
		}
		return slices.Compare([]byte(a.page), []byte(b.page))
	})
	return done
}

// run sends five minutes of views, some of them late, and prints each minute when it is over.
func run(ctx context.Context, bootstrap string, out io.Writer) error {
	c, err := clientlib.New(clientlib.Config{Bootstrap: bootstrap, ClientID: "analytics"})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := example.Topic(ctx, c, "views", 1); err != nil {
		return err
	}
	p, err := c.Producer(proto.ProducerConfig{})
	if err != nil {
		return err
	}
	begin := time.Now().Add(-10 * time.Minute).Truncate(time.Minute)
	const views = 300 // one a second
	for i := range views {
		at := begin.Add(time.Duration(i) * time.Second)
		if i%10 == 9 {
			at = at.Add(-20 * time.Second) // from a telephone that was in a tunnel
		}
		if i == 200 {
			at = begin // far too late
		}
		page := []string{"/", "/docs", "/"}[i%3]
		if err := p.Send(ctx, &clientlib.Record{Topic: "views", Partition: clientlib.NoPartition, Key: []byte(page), Timestamp: at}, nil); err != nil {
			return err
		}
	}
	if err := p.Flush(ctx); err != nil {
		return err
	}
	told := counts{open: map[window]int{}}
	err = example.ReadAll(ctx, bootstrap, "views", func(r *clientlib.Consumed) {
		for _, w := range told.add(string(r.Key), r.Timestamp) {
			fmt.Fprintf(out, "minute %d %s: %d\n", int(w.minute.Sub(begin).Minutes()), w.page, told.open[w])
			delete(told.open, w)
		}
	})
	fmt.Fprintf(out, "too late: %d\n", told.missed)
	return err
}
