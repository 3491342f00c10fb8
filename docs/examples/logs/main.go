// Logs gathers log lines of many hosts in one topic and finds the errors among them: log aggregation.
//
//	go run ./docs/examples/logs -bootstrap 127.0.0.1:9092
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
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

// run ships the lines of three hosts, and prints the errors of each, in the order of its lines.
func run(ctx context.Context, bootstrap string, out io.Writer) error {
	// A shipper: lines of a host keep their order, since the host is the key; zstd, since lines resemble one another; a little linger makes batches of them.
	shipper, err := clientlib.New(clientlib.Config{Bootstrap: bootstrap, ClientID: "shipper"})
	if err != nil {
		return err
	}
	defer shipper.Close()
	if err := example.Topic(ctx, shipper, "logs", 3, clientlib.ConfigValue{Name: "retention.ms", Value: fmt.Sprint((7 * 24 * time.Hour).Milliseconds())}); err != nil {
		return err
	}
	p, err := shipper.Producer(proto.ProducerConfig{Compression: record.CodecZstd, Linger: int64(20 * time.Millisecond)})
	if err != nil {
		return err
	}
	const lines = 300
	for i := range lines {
		host, level := fmt.Sprintf("web-%d", i%3), "info"
		if i%50 < 3 {
			level = "error"
		}
		line := &clientlib.Record{Topic: "logs", Partition: clientlib.NoPartition, Key: []byte(host), Value: fmt.Appendf(nil, "level=%s request %d", level, i), Headers: []clientlib.Header{{Key: "level", Value: []byte(level)}}}
		if err := p.Send(ctx, line, func(_ clientlib.Sent, err error) {
			if err != nil {
				fmt.Fprintln(os.Stderr, "lost:", err) // a real shipper keeps the line and tries later
			}
		}); err != nil {
			return err
		}
	}
	if err := p.Flush(ctx); err != nil {
		return err
	}

	// A reader of another process: it looks at headers alone.
	errorsOf := map[string][]string{}
	err = example.ReadAll(ctx, bootstrap, "logs", func(r *clientlib.Consumed) {
		if string(r.Headers[0].Value) == "error" {
			errorsOf[string(r.Key)] = append(errorsOf[string(r.Key)], strings.TrimPrefix(string(r.Value), "level=error "))
		}
	})
	for i := range 3 {
		host := fmt.Sprintf("web-%d", i)
		fmt.Fprintf(out, "%s: %s\n", host, strings.Join(errorsOf[host], ", "))
	}
	return err
}
