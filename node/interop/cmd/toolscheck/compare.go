package main

import (
	"regexp"
	"slices"
	"strings"
)

// masks are what may differ from run to run whoever answers: ids that a broker draws, times of its clock, figures of a measurement, numbers of threads.
var masks = []struct {
	found *regexp.Regexp
	as    string
}{
	{regexp.MustCompile(`TopicId: [A-Za-z0-9_-]{22}`), "TopicId: ID"},
	{regexp.MustCompile(`\b1[6-9]\d{11}\b`), "TIME"},
	{regexp.MustCompile(`\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]\d{3}Z?`), "TIME"},
	{regexp.MustCompile(`\b(adminclient|producer|console-consumer|consumer)-[0-9a-z-]*\d+\b`), "$1-N"},
	{regexp.MustCompile(`\d+(\.\d+)? (records/sec|MB/sec|ms)\b`), "N $2"},
	{regexp.MustCompile(`TimeoutException: (Timed out waiting for a node assignment\. Call: |Call\(callName=)(\w+)\(api=\w+\).*`), "TimeoutException: $2 timed out"}, // which of the two is a matter of where the time ran out
	{regexp.MustCompile(`correlation id \d+`), "correlation id N"},
}

// mask makes lines of an output, in which what is the broker's own has a common name. A line of JSON becomes one for each object in it.
func (s *side) mask(printed string) []string {
	printed = strings.NewReplacer(s.masking...).Replace(printed)
	for _, m := range masks {
		printed = m.found.ReplaceAllString(printed, m.as)
	}
	printed = strings.TrimSuffix(strings.ReplaceAll(printed, ",{", ",\n{"), "\n")
	if printed == "" {
		return nil
	}
	return strings.Split(printed, "\n")
}

// spoken drops from what a tool wrote to standard error the places in its code.
func spoken(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool {
		return strings.HasPrefix(l, "\tat ") || strings.HasPrefix(l, "\t... ")
	})
}

// difference is what two outputs do not share.
type difference struct {
	kafka, ours []string // lines that only one has; those of standard error begin with "stderr: "
	order       bool     // the lines are the same in another order
}

func (d *difference) none() bool { return len(d.kafka) == 0 && len(d.ours) == 0 && !d.order }

// compare compares two outputs line by line.
func compare(kafka, ours *output) *difference {
	d := &difference{}
	all := [2][]string{}
	for i, o := range []*output{kafka, ours} {
		all[i] = slices.Clone(o.lines)
		for _, l := range o.said {
			all[i] = append(all[i], "stderr: "+l)
		}
		if kafka.status != ours.status {
			all[i] = append(all[i], "exit status "+string(rune('0'+o.status)))
		}
	}
	d.kafka, d.ours = without(all[0], all[1]), without(all[1], all[0])
	d.order = len(d.kafka) == 0 && len(d.ours) == 0 && !slices.Equal(all[0], all[1])
	return d
}

// without returns the lines of a that b does not have, as often as it has them more.
func without(a, b []string) []string {
	count := map[string]int{}
	for _, l := range b {
		count[l]++
	}
	var out []string
	for _, l := range a {
		if count[l]--; count[l] < 0 {
			out = append(out, l)
		}
	}
	return out
}
