package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"odradek/clientlib"
	"odradek/core/errcode"
)

// produceFlags are those of odradek produce.
type produceFlags struct {
	key       string
	headers   []string
	partition int32
	codec     string
	rate      float64
	acks      string
	null      bool
	create    bool
	parsed    []clientlib.Header
}

func produceCommand() *cobra.Command {
	f := &produceFlags{}
	cmd := onCluster(&cobra.Command{
		Use: "produce TOPIC", Short: "Send the lines of stdin as records",
		Long: `Sends each line of stdin as a record, and returns when the broker has acknowledged all of them (with --acks 0: when they are sent). With -o json prints for each
record where it is in the log. A record that is refused is told on stderr with its line, the others are sent; the exit code is then 1.`,
		Example: `  echo hello | odradek produce greetings --create
  printf 'de:Berlin\nfr:Paris\n' | odradek produce capitals -k :
  odradek produce logs -z zstd -H host=web-1 --rate 100 < access.log`,
		Args: args(cobra.ExactArgs(1), "the name of a topic"), ValidArgsFunction: completeTopics(false),
	}, func(ctx context.Context, s *session, args []string) error {
		if err := f.apply(s.config); err != nil {
			return err
		}
		if !f.create {
			topics, err := s.admin().Topics(ctx, args[0])
			if err != nil {
				if clientlib.Code(err) == errcode.UnknownTopicOrPartition {
					return fmt.Errorf("%w; odradek topic create %s makes it, and so does --create if the broker allows it", err, args[0])
				}
				return err
			}
			if n := len(topics[0].Partitions); int(f.partition) >= n {
				return noPartition(args[0], f.partition, n)
			}
		}
		return s.produce(ctx, f, args[0])
	})
	flags := cmd.Flags()
	flags.StringVarP(&f.key, "key", "k", "", `what ends the key in a line, such as : or \t; a line without it has no key`)
	flags.StringArrayVarP(&f.headers, "header", "H", nil, "name=value, of every record; may be given again")
	flags.Int32VarP(&f.partition, "partition", "p", clientlib.NoPartition, "-1: by the key, or in turn")
	flags.StringVarP(&f.codec, "compression", "z", "", strings.Join(codecs, ", "))
	flags.Float64Var(&f.rate, "rate", 0, "records a second; 0: as fast as possible")
	flags.StringVar(&f.acks, "acks", "", "all, 1 or 0: what to wait for (all)")
	flags.BoolVarP(&f.null, "null", "Z", false, "an empty value, or key, is null")
	flags.BoolVar(&f.create, "create", false, "have the broker make the topic, if it does such things")
	_ = cmd.RegisterFlagCompletionFunc("compression", cobra.FixedCompletions(codecs, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// apply checks the flags and puts them where -X puts its own.
func (f *produceFlags) apply(c *clientConfig) error {
	for _, given := range []struct{ key, value, flag string }{{"compression.type", f.codec, "-z"}, {"acks", f.acks, "--acks"}} {
		if given.value == "" {
			continue
		}
		i := slices.IndexFunc(settings, func(s setting) bool { return s.key == given.key })
		if err := settings[i].set(c, given.value); err != nil {
			return usagef("%s %s: %w", given.flag, given.value, err)
		}
	}
	values, err := assignments("-H", f.headers)
	if err != nil {
		return err
	}
	f.parsed = nil
	for _, v := range values {
		f.parsed = append(f.parsed, clientlib.Header{Key: v.Name, Value: []byte(v.Value)})
	}
	if f.rate < 0 || f.partition < clientlib.NoPartition {
		return usagef("--rate and -p want no negative number")
	}
	f.key = strings.NewReplacer(`\t`, "\t", `\n`, "\n", `\\`, `\`).Replace(f.key)
	c.producer.CreateTopics = f.create
	return nil
}

// record makes one of a line.
func (f *produceFlags) record(topic string, line []byte) *clientlib.Record {
	r := &clientlib.Record{Topic: topic, Partition: f.partition, Value: line, Headers: f.parsed}
	if f.key != "" {
		if key, value, ok := strings.Cut(string(line), f.key); ok {
			r.Key, r.Value = []byte(key), []byte(value)
		}
	}
	if f.null {
		if len(r.Value) == 0 {
			r.Value = nil
		}
		if len(r.Key) == 0 {
			r.Key = nil
		}
	} else if r.Value == nil {
		r.Value = []byte{}
	}
	return r
}

type sentJSON struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"` // -1: the broker did not say
}

// tally counts what became of the records.
type tally struct {
	mu           sync.Mutex
	sent, failed int64
	last         error
}

func (s *session) produce(ctx context.Context, f *produceFlags, topic string) error {
	p, err := s.client.Producer(s.config.producer)
	if err != nil {
		return err
	}
	out := json.NewEncoder(s.cmd.OutOrStdout())
	t := &tally{}
	lines := newLines(s.cmd.InOrStdin(), s.config.producer.MaxRequestSize)
	began := time.Now()
	for n := int64(1); ; n++ {
		line, err := lines.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			_ = p.Flush(context.WithoutCancel(ctx))
			return fmt.Errorf("line %d: %w", n, err)
		}
		if f.rate > 0 {
			if err := pause(ctx, began.Add(time.Duration(float64(n-1)/f.rate*float64(time.Second)))); err != nil {
				break
			}
		}
		err = p.Send(ctx, f.record(topic, line), func(sent clientlib.Sent, err error) {
			t.add(err, func() { s.say("line %d: %v", n, err) })
			if err == nil && s.json() {
				_ = out.Encode(sentJSON{sent.Topic, sent.Partition, sent.Offset})
			}
		})
		if err != nil {
			t.add(err, func() { s.say("line %d: %v", n, err) })
			if ctx.Err() != nil {
				break
			}
		}
	}
	return s.finish(ctx, p, t, topic)
}

func (t *tally) add(err error, tell func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.sent++
		return
	}
	if t.failed++; t.failed <= toldMax {
		tell()
	}
	t.last = err
}

// toldMax is how many refused records are told one by one.
const toldMax = 10

// finish waits for what was sent; a signal is not allowed to lose it, a second one ends the process.
func (s *session) finish(ctx context.Context, p *clientlib.Producer, t *tally, topic string) error {
	if err := p.Flush(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s.say("%s sent to %s", count(t.sent, "record"), topic)
	if t.failed > 0 {
		return fmt.Errorf("not sent: %s; the last: %w", count(t.failed, "record"), t.last)
	}
	return ctx.Err()
}

// pause waits for a time to come.
func pause(ctx context.Context, until time.Time) error {
	left := time.Until(until)
	if left <= 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(left):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
