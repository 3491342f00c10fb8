package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"odradek/clientlib"
	"odradek/clientlib/cli/format"
	"odradek/clientlib/proto"
)

// consumeFlags are those of odradek consume.
type consumeFlags struct {
	from       string
	partitions []int32
	follow     bool
	exit       bool
	count      int64
	layout     string
	kcat       bool
}

const verbHelp = `Layouts are those of rpk topic consume -f:
  %t %k %v   topic, key, value; also %v{hex} {base64} {base64raw} {unpack[>I]}     %T %K %V their lengths
  %p %o %e   partition, offset, leader epoch; numbers also {hex} {hex64} {big32} {little16} {byte} {bool}
  %d         timestamp in ms; also %d{go[2006-01-02 15:04:05]} %d{strftime[%F %T]}
  %h{%k=%v } each header; %H how many     %a{compression} {timestamp-type} {transactional-bit} {control-bit}
  %x %y      producer id, epoch     %[ %| %]  log start, last stable offset, high watermark     %i  count
  %% %{ %}   the character; \t \n \r \\ \xNN
With --kcat those of kcat -f: %s value, %S its length, %R the same as 4 bytes, %k key, %K its length, %T timestamp in ms, %h headers, %t topic, %p partition, %o offset.`

func consumeCommand() *cobra.Command {
	f := &consumeFlags{}
	cmd := onCluster(&cobra.Command{
		Use: "consume TOPIC...", Short: "Print the records of topics",
		Long: `Prints records: their values, one a line, or as -f or -o json says. It ends at what was the end of the log when it began, or after -n records; with --follow, and with
--from latest, it waits for more. It belongs to no group and commits nothing. Records of one partition come in order.

` + verbHelp,
		Example: `  odradek consume orders                                  # everything, and ends
  odradek consume orders --from -10 --follow              # the last 10 of each partition, and what comes
  odradek consume orders --from -1h -f '%d{strftime[%T]} %p:%o %k %v\n'
  odradek consume orders -p 0 --from 42 -n 1 -o json
  odradek consume orders --kcat -f '%t [%p] at offset %o: key %k: %s\n'`,
		Args: args(cobra.MinimumNArgs(1), "the names of topics"), ValidArgsFunction: completeTopics(true),
	}, func(ctx context.Context, s *session, topics []string) error { return s.consume(ctx, f, topics) })
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "earliest", "earliest, latest, OFFSET, -N (the last N of each partition), a time, or -10m")
	flags.Int32SliceVarP(&f.partitions, "partition", "p", nil, "only these")
	flags.BoolVarP(&f.follow, "follow", "F", false, "wait for more at the end")
	flags.BoolVarP(&f.exit, "exit", "e", false, "end at the end, with --from latest, too")
	flags.Int64VarP(&f.count, "count", "n", 0, "end after so many records; 0: no limit")
	flags.StringVarP(&f.layout, "format", "f", "", `a layout; '%v\n' if not given`)
	flags.BoolVar(&f.kcat, "kcat", false, "-f has kcat's verbs")
	return cmd
}

// printer returns what writes a record.
func (f *consumeFlags) printer(o output) (func(dst []byte, p *clientlib.Fetched, r *clientlib.Consumed) []byte, error) {
	if o.json() {
		if f.layout != "" {
			return nil, usagef("-f and -o json: one of them")
		}
		return func(dst []byte, _ *clientlib.Fetched, r *clientlib.Consumed) []byte { return appendJSON(dst, r) }, nil
	}
	layout, parse := f.layout, format.RPK
	if f.kcat {
		parse = format.Kcat
	}
	switch {
	case layout == "" && f.kcat:
		layout = `%s\n`
	case layout == "":
		layout = `%v\n`
	}
	w, err := parse(layout)
	if err != nil {
		return nil, usagef("-f %s: %w", layout, err)
	}
	return w.Append, nil
}

func (s *session) consume(ctx context.Context, f *consumeFlags, topics []string) error {
	start, atEnd, err := parseFrom(f.from, time.Now())
	if err != nil {
		return err
	}
	switch {
	case f.follow && f.exit:
		return usagef("--follow and --exit: one of them")
	case f.count < 0:
		return usagef("-n %d: want no negative number", f.count)
	}
	print, err := f.printer(s.output)
	if err != nil {
		return err
	}
	parts, err := s.partitions(ctx, topics, f.partitions)
	if err != nil {
		return err
	}
	if !s.set("auto.offset.reset") {
		s.config.consumer.Reset = proto.ResetNone // an offset outside the log is an error
	}
	k, err := s.client.Consumer(s.config.consumer)
	if err != nil {
		return err
	}
	r := &reading{s: s, k: k, print: print, left: f.count, counted: f.count > 0, out: bufio.NewWriterSize(s.cmd.OutOrStdout(), 64<<10)}
	if !f.follow && (!atEnd || f.exit) {
		if r.ends, err = s.ends(ctx, parts); err != nil {
			return err
		}
	}
	for _, tp := range parts {
		k.Assign(tp.Topic, tp.Partition, start)
	}
	err = r.run(ctx)
	if flushing := r.out.Flush(); err == nil {
		err = flushing
	}
	return err
}

// set reports whether -X gave a key.
func (s *session) set(key string) bool {
	given, _ := s.cmd.Flags().GetStringArray("set")
	return slices.ContainsFunc(given, func(g string) bool { return len(g) > len(key) && g[:len(key)+1] == key+"=" })
}

// partitions are those of topics, or the wanted ones of them.
func (s *session) partitions(ctx context.Context, names []string, wanted []int32) ([]clientlib.TopicPartition, error) {
	topics, err := s.admin().Topics(ctx, names...)
	if err != nil {
		return nil, err
	}
	var out []clientlib.TopicPartition
	for i := range topics {
		t := &topics[i]
		for _, n := range wanted {
			if !slices.ContainsFunc(t.Partitions, func(p clientlib.Partition) bool { return p.Partition == n }) {
				return nil, noPartition(t.Name, n, len(t.Partitions))
			}
		}
		for _, p := range t.Partitions {
			if len(wanted) == 0 || slices.Contains(wanted, p.Partition) {
				out = append(out, clientlib.TopicPartition{Topic: t.Name, Partition: p.Partition})
			}
		}
	}
	return out, nil
}

// ends are where partitions end now; those without a record are not among them.
func (s *session) ends(ctx context.Context, parts []clientlib.TopicPartition) (map[clientlib.TopicPartition]int64, error) {
	latest, err := s.admin().Offsets(ctx, clientlib.OffsetLatest, s.config.consumer.ReadCommitted, parts...)
	if err != nil {
		return nil, err
	}
	earliest, err := s.admin().Offsets(ctx, clientlib.OffsetEarliest, false, parts...)
	if err != nil {
		return nil, err
	}
	ends := map[clientlib.TopicPartition]int64{}
	for i := range latest {
		if latest[i].Offset > earliest[i].Offset {
			ends[latest[i].TopicPartition] = latest[i].Offset
		}
	}
	return ends, nil
}

// reading is a consume under way.
type reading struct {
	s       *session
	k       *clientlib.Consumer
	print   func(dst []byte, p *clientlib.Fetched, r *clientlib.Consumed) []byte
	out     *bufio.Writer
	ends    map[clientlib.TopicPartition]int64 // partitions that are not read to their end; nil: there is no end
	left    int64
	counted bool
	scratch []byte
}

// settlePause is how often positions are looked at while nothing comes: one may begin at its end.
const settlePause = 20 * time.Millisecond

func (r *reading) run(ctx context.Context) error {
	for {
		r.arrived()
		if r.ends != nil && len(r.ends) == 0 {
			return nil
		}
		f, err := r.poll(ctx)
		if err != nil {
			return err
		}
		if m := f.Moved; m != nil {
			fmt.Fprintf(r.s.cmd.ErrOrStderr(), "odradek: %s-%d: offset %d is outside the log: going on at %d (auto.offset.reset)\n", m.Topic, m.Partition, m.From, m.To)
		}
		end, bounded := r.ends[clientlib.TopicPartition{Topic: f.Topic, Partition: f.Partition}]
		for i := range f.Records {
			if r.ends != nil && (!bounded || f.Records[i].Offset >= end) {
				break // it came after the beginning
			}
			r.scratch = r.print(r.scratch[:0], &f, &f.Records[i])
			if _, err := r.out.Write(r.scratch); err != nil {
				return err
			}
			if r.left--; r.counted && r.left == 0 {
				return nil
			}
		}
	}
}

// poll waits for records. What is written is shown before it waits.
func (r *reading) poll(ctx context.Context) (clientlib.Fetched, error) {
	for {
		wait, cancel := context.WithTimeout(ctx, settlePause)
		f, err := r.k.PollPartition(wait)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return f, err
		}
		if err := r.out.Flush(); err != nil {
			return f, err
		}
		if r.arrived(); r.ends != nil && len(r.ends) == 0 {
			return f, nil
		}
	}
}

// arrived forgets the partitions that are read to their end.
func (r *reading) arrived() {
	for tp, end := range r.ends { // any order: each by itself
		if position, _, _ := r.k.Position(tp.Topic, tp.Partition); position >= end {
			delete(r.ends, tp)
		}
	}
}

// consumedJSON is a record as rpk writes it; what is not UTF-8 is in base64 under another name.
type consumedJSON struct {
	Topic       string       `json:"topic"`
	Partition   int32        `json:"partition"`
	Offset      int64        `json:"offset"`
	Timestamp   int64        `json:"timestamp"`
	Key         *string      `json:"key"`
	KeyBase64   []byte       `json:"keyBase64,omitempty"`
	Value       *string      `json:"value"`
	ValueBase64 []byte       `json:"valueBase64,omitempty"`
	Headers     []headerJSON `json:"headers,omitempty"`
}

type headerJSON struct {
	Key         string  `json:"key"`
	Value       *string `json:"value"`
	ValueBase64 []byte  `json:"valueBase64,omitempty"`
}

// textOrBytes tells text from bytes; null is neither.
func textOrBytes(p []byte) (text *string, raw []byte) {
	switch {
	case p == nil:
		return nil, nil
	case utf8.Valid(p):
		s := string(p)
		return &s, nil
	}
	return nil, p
}

func appendJSON(dst []byte, r *clientlib.Consumed) []byte {
	j := consumedJSON{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli()}
	j.Key, j.KeyBase64 = textOrBytes(r.Key)
	j.Value, j.ValueBase64 = textOrBytes(r.Value)
	for _, h := range r.Headers {
		text, raw := textOrBytes(h.Value)
		j.Headers = append(j.Headers, headerJSON{h.Key, text, raw})
	}
	line, _ := json.Marshal(j) // strings and numbers
	return append(append(dst, line...), '\n')
}
