"""Publishing: conversion of older formats, complete Hub repositories, model card, push."""
