package main

import (
	"fmt"
	"io"
	"strings"
)

// report counts.
type report struct {
	commands, equal, explained int
	failures                   int // commands that ended with another status than 0 in Kafka
	byRule                     map[string]int
	unexplained                int
	unneeded                   int
	shown                      strings.Builder
}

func newReport() *report { return &report{byRule: map[string]int{}} }

func (r *report) add(c *command, o [2]output, verbose bool) {
	r.commands++
	if o[0].status != 0 {
		r.failures++
	}
	if verbose {
		fmt.Printf("\n$ %s\n", c.text)
		for i, name := range []string{"Kafka", "ours "} {
			for _, l := range append(append([]string{}, o[i].lines...), o[i].said...) {
				fmt.Printf("  %s | %s\n", name, l)
			}
			fmt.Printf("  %s = %d\n", name, o[i].status)
		}
	}
	d := compare(&o[0], &o[1])
	same := d.none()
	for _, rule := range c.rules {
		if rule.explain(d) {
			r.byRule[rule.name]++
			continue
		}
		r.unneeded++
		fmt.Fprintf(&r.shown, "\nline %d: the rule %s is not needed any more\n  $ %s\n", c.line, rule.name, c.text)
	}
	switch {
	case same:
		r.equal++
	case d.none():
		r.explained++
	default:
		r.unexplained++
		r.show(c, d)
	}
}

// show keeps what is told of a difference that nothing explains.
func (r *report) show(c *command, d *difference) {
	fmt.Fprintf(&r.shown, "\nline %d\n  $ %s\n", c.line, c.text)
	if d.order {
		fmt.Fprintln(&r.shown, "  the same lines in another order")
	}
	for i, lines := range [][]string{d.kafka, d.ours} {
		for n, l := range lines {
			if n == 20 {
				fmt.Fprintf(&r.shown, "  … and %d more\n", len(lines)-n)
				break
			}
			fmt.Fprintf(&r.shown, "  only %s: %s\n", []string{"Kafka", "ours"}[i], l)
		}
	}
}

// print says what was reached. It reports whether all is well.
func (r *report) print(w io.Writer) bool {
	fmt.Fprint(w, r.shown.String())
	fmt.Fprintf(w, "\n%d commands, of which %d are mistakes: %d with equal output, %d that rules explain, %d unexplained\n", r.commands, r.failures, r.equal, r.explained, r.unexplained)
	for i := range rules {
		fmt.Fprintf(w, "  rule %-34s %5d commands\n", rules[i].name, r.byRule[rules[i].name])
		if r.byRule[rules[i].name] == 0 {
			r.unneeded++
			fmt.Fprintln(w, "    the rule is not used any more")
		}
	}
	return r.unexplained == 0 && r.unneeded == 0
}
