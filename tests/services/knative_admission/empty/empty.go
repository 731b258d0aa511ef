// Package empty stands in for the test library that nobody here imports.
package empty
