package main

import (
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// report counts.
type report struct {
	command     string // that replays the run, but for how many requests
	requests    int
	equal       int
	kinds       map[string]int
	versions    map[string]map[int16]bool
	codes       map[string]map[int16]int
	closed      int
	silent      int
	rules       map[string]int
	texts       map[string]int // pairs of message texts
	textsEqual  int
	unexplained int
	sorts       map[string]int // of unexplained differences
	shown       strings.Builder
}

func newReport(command string) report {
	return report{command: command, kinds: map[string]int{}, versions: map[string]map[int16]bool{}, codes: map[string]map[int16]int{}, rules: map[string]int{}, texts: map[string]int{}, sorts: map[string]int{}}
}

func (r *report) add(i int, o *op, kafka outcome, replies [2]kmsg.Response, found []difference) {
	r.requests++
	r.kinds[o.kind]++
	if o.spoil == nil {
		if r.versions[o.kind] == nil {
			r.versions[o.kind] = map[int16]bool{}
		}
		r.versions[o.kind][o.req.GetVersion()] = true
	}
	if kafka.closed {
		r.closed++
	}
	if kafka.silent {
		r.silent++
	}
	if replies[0] != nil {
		codes(replies[0], func(code int16) {
			if r.codes[o.kind] == nil {
				r.codes[o.kind] = map[int16]int{}
			}
			r.codes[o.kind][code]++
		})
	}
	var left []difference
	for _, d := range found {
		switch rule := ruleFor(o, &d, replies[0]); {
		case isText(&d):
			r.texts[fmt.Sprintf("%s: Kafka %s | ours %s", o.kind, show(d.kafka), show(d.ours))]++
		case rule != "":
			r.rules[rule]++
		default:
			left = append(left, d)
		}
	}
	if len(found) == 0 {
		r.equal++
	}
	if len(left) > 0 {
		r.unexplained++
		r.show(i, o, replies, left)
	}
}

// isText reports whether a difference is one of words.
func isText(d *difference) bool {
	return strings.HasSuffix(d.plain, "ErrorMessage") || strings.HasSuffix(d.plain, "Documentation")
}

// show keeps what is told of a request with unexplained differences: all of it for the first of each sort.
func (r *report) show(i int, o *op, replies [2]kmsg.Response, left []difference) {
	known := len(r.sorts)
	for _, d := range left {
		note := ""
		if o.note != "" && !strings.Contains(o.note, ",") {
			note = " (" + o.note[strings.Index(o.note, " ")+1:] + ")"
		}
		r.sorts[fmt.Sprintf("%s%s %s: Kafka %s, ours %s", o.kind, note, d.plain, brief(d.kafka), brief(d.ours))]++
	}
	w := &r.shown
	if len(r.sorts) == known {
		return
	}
	fmt.Fprintf(w, "\nrequest %d, %s v%d: %d differences that no rule explains (%s)\n", i, o.kind, o.req.GetVersion(), len(left), o.note)
	for n, d := range left {
		if n == 12 {
			fmt.Fprintf(w, "    … and %d more\n", len(left)-n)
			break
		}
		fmt.Fprintf(w, "    %s\n", d.String())
	}
	fmt.Fprintf(w, "  request: %s\n", summary(o.req))
	for k, name := range []string{"Kafka", "ours "} {
		if replies[k] != nil {
			fmt.Fprintf(w, "  %s:   %s\n", name, summary(replies[k]))
		}
	}
	fmt.Fprintf(w, "  again:   %s --requests %d\n", r.command, i+1)
}

// print says what was reached. It reports whether all is well.
func (r *report) print(w io.Writer, whole bool) bool {
	fmt.Fprintf(w, "\n%-28s %6s  %-22s %s\n", "requests", "count", "versions", "error codes in Kafka's replies (code×count)")
	for _, kind := range slices.Sorted(maps.Keys(r.kinds)) {
		var versions, all []string
		for _, v := range slices.Sorted(maps.Keys(r.versions[kind])) {
			versions = append(versions, fmt.Sprint(v))
		}
		for _, c := range slices.Sorted(maps.Keys(r.codes[kind])) {
			all = append(all, fmt.Sprintf("%d×%d", c, r.codes[kind][c]))
		}
		fmt.Fprintf(w, "%-28s %6d  %-22s %s\n", kind, r.kinds[kind], strings.Join(versions, ","), strings.Join(all, " "))
	}
	fmt.Fprintf(w, "\n%d requests: %d with equal replies, %d that a rule explains or that differ in words, %d unexplained; Kafka closed the connection %d times and was silent %d times\n",
		r.requests, r.equal, r.requests-r.equal-r.unexplained, r.unexplained, r.closed, r.silent)
	for _, rule := range rules {
		fmt.Fprintf(w, "  rule %-34s %5d differences\n", rule.name, r.rules[rule.name])
		if whole && r.rules[rule.name] == 0 && !rule.rare {
			fmt.Fprintf(w, "    the rule is not used any more\n")
		}
	}
	total := 0
	for _, n := range r.texts { // any order: a sum
		total += n
	}
	fmt.Fprintf(w, "  %d texts differ, of %d kinds\n", total, len(r.texts))
	for _, sort := range slices.Sorted(maps.Keys(r.sorts)) {
		fmt.Fprintf(w, "  unexplained %4d× %s\n", r.sorts[sort], sort)
	}
	fmt.Fprint(w, r.shown.String())
	return r.unexplained == 0
}

// summary prints a message for a person.
func summary(msg any) string {
	s := fmt.Sprintf("%T %s", msg, text(toTree(reflect.ValueOf(msg), newIDs())))
	if len(s) > 2500 {
		s = s[:2500] + "…"
	}
	return s
}

// text prints a tree; fields of no value are left out.
func text(v any) string {
	switch v := v.(type) {
	case tree:
		var parts []string
		for _, f := range v {
			if s := text(f.value); s != "" && s != "0" && s != "false" && s != "null" && s != "[]" && s != `""` && s != strings.Repeat("0", 32) {
				parts = append(parts, f.name+":"+s)
			}
		}
		return "{" + strings.Join(parts, " ") + "}"
	case list:
		if v == nil {
			return "null"
		}
		var parts []string
		for _, e := range v {
			parts = append(parts, text(e))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case string:
		if len(v) > 200 {
			return fmt.Sprintf("%q… (%d bytes)", v[:200], len(v))
		}
		return fmt.Sprintf("%q", v)
	case nil:
		return "null"
	}
	return fmt.Sprint(v)
}

func brief(v any) string {
	if n := text(v); len(n) < 60 {
		return n
	}
	return text(v)[:60] + "…"
}
