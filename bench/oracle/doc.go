// Package oracle reads what skerry exports with other people's readers. It has only tests: their modules are no part of the
// product.
package oracle
