package main

import (
	"regexp"
	"slices"
)

// rule explains lines that only one of the brokers makes a tool print, in the commands of the script that name it. docs/DIFFERENCES.md has a section for each.
type rule struct {
	name        string
	kafka, ours *regexp.Regexp // nil: none
}

var rules = []rule{}

// explain takes from a difference what the rule explains. It reports whether that was anything.
func (r *rule) explain(d *difference) bool {
	before := len(d.kafka) + len(d.ours)
	d.kafka, d.ours = unlike(d.kafka, r.kafka), unlike(d.ours, r.ours)
	return len(d.kafka)+len(d.ours) < before
}

// unlike returns the lines that do not match.
func unlike(lines []string, e *regexp.Regexp) []string {
	return slices.DeleteFunc(lines, func(l string) bool { return e != nil && e.MatchString(l) })
}
