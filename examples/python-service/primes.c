/* SPDX-License-Identifier: Apache-2.0 */
/* primes.count(n): how many prime numbers are below n. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define LIMIT 100000000L

static PyObject *count(PyObject *self, PyObject *arg)
{
	long n = PyLong_AsLong(arg), found = 0;
	char *composite;

	(void)self;
	if (n == -1 && PyErr_Occurred())
		return NULL;
	if (n < 0 || n > LIMIT)
		return PyErr_Format(PyExc_ValueError, "from 0 to %ld", LIMIT);
	composite = PyMem_Calloc((size_t)n + 1, 1);
	if (!composite)
		return PyErr_NoMemory();
	for (long i = 2; i < n; i++) {
		if (composite[i])
			continue;
		found++;
		for (long k = 2 * i; k < n; k += i)
			composite[k] = 1;
	}
	PyMem_Free(composite);
	return PyLong_FromLong(found);
}

static PyMethodDef methods[] = {
	{"count", count, METH_O, "count(n): how many prime numbers are below n"},
	{NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, .m_name = "primes", .m_size = 0, .m_methods = methods,
};

PyMODINIT_FUNC PyInit_primes(void)
{
	return PyModule_Create(&module);
}
