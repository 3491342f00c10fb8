package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"odradek/bench/measure"
)

// section is what is told: a part of the page of the race, in the columns of its other tables.
type section struct {
	options options
	rows    []string
}

// row adds medians, and how many times better ours is in each round.
func (s *section) row(name, figure string, ours, theirs []float64, lower bool) {
	var ratios []float64
	for i := range ours {
		if lower {
			ratios = append(ratios, theirs[i]/ours[i])
		} else {
			ratios = append(ratios, ours[i]/theirs[i])
		}
	}
	r, better := measure.Bootstrap(ratios), ""
	if r.Median < 1 {
		better = "**JetStream is better**"
	}
	s.rows = append(s.rows, fmt.Sprintf("| %s | %s | %s | %s | %.3g (%.3g–%.3g)× | %s |", name, figure, interval(ours), interval(theirs), r.Median, r.Low, r.High, better))
}

func interval(values []float64) string {
	i := measure.Bootstrap(values)
	return fmt.Sprintf("%.5g (%.5g–%.5g)", i.Median, i.Low, i.High)
}

// String is the section.
func (s *section) String() string {
	return fmt.Sprintf("### NATS JetStream\n\nNATS server %s, stored in files, no replicas. Each side %d rounds of %v after a second of warm-up, A B, B A …; the last one reads %d MB.\n\n"+
		"| cell | figure | ours | JetStream | ratio |  |\n|---|---|---|---|---|---|\n%s\n",
		natsVersion(), s.options.rounds, s.options.length, s.options.bytes/1e6, strings.Join(s.rows, "\n"))
}

// natsVersion is that of the server that was built in.
func natsVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if strings.HasPrefix(d.Path, "github.com/nats-io/nats-server/") {
				return d.Version
			}
		}
	}
	return "of an unknown version"
}
